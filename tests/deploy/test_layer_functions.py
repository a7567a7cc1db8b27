"""A model evaluated by the functions that are compiled, part by part, is the model."""

import pytest
import torch

import laws
from lampion.deploy.by_parts import cut, evaluate_by_parts
from lampion.deploy.compile import example_arguments
from lampion.deploy.layer_functions import functions_of
from lampion.deploy.verify import energies_and_gradient, random_configuration


@pytest.mark.parametrize(("n_atoms", "n_parts"), [(1, 1), (2, 1), (17, 3), (30, 2)])
@pytest.mark.parametrize("name", laws.LAYERED)
def test_parts_make_the_whole(name, n_atoms, n_parts):
    model = laws.LAYERED[name]()
    atoms = random_configuration(n_atoms, laws.CUTOFF, 2, seed=n_atoms)
    types, (edges, vectors) = torch.from_numpy(atoms.types), atoms.edges(laws.CUTOFF, torch.float64)
    parts = cut(edges, vectors, n_atoms, laws.CUTOFF, n_parts)
    got = evaluate_by_parts(functions_of(model), types, vectors, parts)
    expected = energies_and_gradient(model, types, edges, vectors)
    torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-11)


def test_weights_decide_whose_energy_is_differentiated():
    model = laws.LAYERED["l2, one layer, four-body"]()
    atoms = random_configuration(12, laws.CUTOFF, 2, seed=1)
    types, (edges, vectors) = torch.from_numpy(atoms.types), atoms.edges(laws.CUTOFF, torch.float64)
    (part,) = cut(edges, vectors, 12, laws.CUTOFF, 1)
    weights = torch.linspace(-1.0, 1.0, 12, dtype=torch.float64)
    _, gradient = functions_of(model)["last"](types, *part[:3], weights)
    leaf = vectors.clone().requires_grad_()
    (expected,) = torch.autograd.grad((weights * model(types, edges, leaf)).sum(), leaf)
    torch.testing.assert_close(gradient[part.slots], expected[part.edges], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", laws.LAYERED)
def test_what_is_handed_over_lies_without_gaps(name):
    functions = functions_of(laws.LAYERED[name]())
    for function, arguments in example_arguments(functions, torch.float64):
        assert all(tensor.is_contiguous() for tensor in functions[function](*arguments))


def test_model_without_layers_is_one_function():
    model = laws.mace()
    functions = functions_of(model)
    assert list(functions) == ["whole"]
    atoms = random_configuration(9, laws.CUTOFF, 2, seed=2)
    types, (edges, vectors) = torch.from_numpy(atoms.types), atoms.edges(laws.CUTOFF, torch.float64)
    got = functions["whole"](types, edges, vectors, torch.ones(9, dtype=torch.float64))
    torch.testing.assert_close(got, energies_and_gradient(model, types, edges, vectors), rtol=1e-11, atol=1e-11)
