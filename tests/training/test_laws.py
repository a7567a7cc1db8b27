"""The law suite, over every model of `laws.MODELS`."""

import numpy as np
import pytest
import torch

import laws
from lampion.training.data.graphs import build_graphs, join
from lampion.training.models.predict import predict

TOL = laws.TOLERANCE[torch.float64]


@pytest.fixture(scope="module", params=laws.MODELS, ids=list(laws.MODELS))
def model(request):
    return laws.MODELS[request.param]()


@pytest.fixture
def atoms():
    return laws.crystal()


@pytest.mark.parametrize("improper", [False, True], ids=["rotation", "rotoinversion"])
def test_energy_is_invariant_and_forces_turn_with_the_atoms(model, atoms, improper):
    positions, cell, types = atoms
    matrix = laws.random_orthogonal(5, improper=improper)
    energies, forces, virial = laws.energy_forces_virial(model, positions, cell, types)
    turned = laws.energy_forces_virial(model, positions @ matrix.T, cell @ matrix.T, types)
    assert forces.abs().max() > 1e-3  # else the law holds for nothing
    torch.testing.assert_close(turned[0], energies, rtol=TOL, atol=TOL)
    torch.testing.assert_close(turned[1], forces @ torch.from_numpy(matrix.T), rtol=TOL, atol=TOL)
    rotated_virial = torch.from_numpy(matrix) @ virial @ torch.from_numpy(matrix.T)
    torch.testing.assert_close(turned[2], rotated_virial, rtol=TOL, atol=10 * TOL)


def test_translation_and_wrapping_change_nothing(model, atoms):
    positions, cell, types = atoms
    moved = positions + [0.31, -4.2, 1.7] + np.random.default_rng(0).integers(-2, 3, positions.shape) @ cell
    torch.testing.assert_close(
        laws.energy_forces_virial(model, moved, cell, types)[1],
        laws.energy_forces_virial(model, positions, cell, types)[1],
        rtol=TOL,
        atol=TOL,
    )


def test_permuted_atoms_have_permuted_energies_and_forces(model, atoms):
    positions, cell, types = atoms
    order = np.random.default_rng(1).permutation(len(types))
    energies, forces, _ = laws.energy_forces_virial(model, positions, cell, types)
    permuted = laws.energy_forces_virial(model, positions[order], cell, types[order])
    torch.testing.assert_close(permuted[0], energies[order], rtol=TOL, atol=TOL)
    torch.testing.assert_close(permuted[1], forces[order], rtol=TOL, atol=TOL)


def test_every_parameter_has_a_part_in_energy_or_forces(model):
    prediction = predict(model, join(build_graphs(laws.boxes(), laws.CUTOFF, torch.float64)[:]), create_graph=True)
    loss = prediction.forces.square().sum() + prediction.energy.square().sum()
    gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    named = zip(model.named_parameters(), gradients, strict=True)
    assert [name for (name, _), gradient in named if gradient is None or not gradient.any()] == []


def test_forces_are_minus_the_gradient_of_the_energy(model, atoms):
    positions, cell, types = atoms
    _, forces, _ = laws.energy_forces_virial(model, positions, cell, types)
    step = 1e-4
    for atom, axis in [(0, 0), (5, 1), (13, 2), (26, 0)]:
        ends = []
        for sign in (1, -1):
            moved = positions.copy()
            moved[atom, axis] += sign * step
            ends.append(laws.energy(model, moved, cell, types))
        assert -(ends[0] - ends[1]) / (2 * step) == pytest.approx(float(forces[atom, axis]), rel=1e-5, abs=1e-6)


def test_virial_is_minus_the_strain_derivative_of_the_energy(model, atoms):
    positions, cell, types = atoms
    _, _, virial = laws.energy_forces_virial(model, positions, cell, types)
    step = 1e-5
    for a, b in [(0, 0), (1, 1), (0, 2)]:
        ends = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[a, b] += sign * step
            ends.append(laws.energy(model, positions @ strain, cell @ strain, types))
        assert -(ends[0] - ends[1]) / (2 * step) == pytest.approx(float(virial[a, b]), rel=1e-5, abs=1e-6)


def test_two_distant_copies_have_twice_the_energy(model):
    positions, cell, types = laws.crystal(2)
    alone = laws.energy_forces_virial(model, positions, 100 * cell, types, pbc=False)[0].sum()
    pair = laws.energy_forces_virial(
        model, np.concatenate([positions, positions + 50.0]), 100 * cell, np.concatenate([types, types]), pbc=False
    )[0].sum()
    assert float(pair) == pytest.approx(2 * float(alone), rel=1e-12)


def dimer(model, distance):
    """Energies and forces of two atoms alone in space."""
    positions = np.array([[0.0, 0, 0], [distance, 0, 0]])
    return laws.energy_forces_virial(model, positions, 50 * np.eye(3), np.array([0, 1]), pbc=False)


def test_energy_and_force_are_smooth_at_the_cutoff(model):
    types = np.array([0, 1, 0])

    def at(distance):
        positions = np.array([[0.0, 0, 0], [distance, 0, 0], [1.5, 1.5, 0]])
        energies, forces, _ = laws.energy_forces_virial(model, positions, 50 * np.eye(3), types, pbc=False)
        return float(energies.sum()), forces.numpy()

    inside, outside = at(laws.CUTOFF - 1e-5), at(laws.CUTOFF + 1e-5)
    assert abs(inside[0] - outside[0]) < 1e-4  # the third atom's pull over 2e-5 Å
    assert np.abs(inside[1] - outside[1]).max() < 1e-3
    inside, outside = (dimer(model, laws.CUTOFF + shift) for shift in (-1e-5, 1e-5))
    assert abs(float(inside[0].sum() - outside[0].sum())) < 1e-9
    assert float((inside[1] - outside[1]).abs().max()) < 1e-6


def test_isolated_atom_has_a_finite_energy_and_no_force(model):
    energies, forces, _ = laws.energy_forces_virial(model, np.zeros((1, 3)), np.eye(3) * 50, np.array([1]))
    assert torch.isfinite(energies).all()
    assert float(forces.abs().max()) == 0.0


def test_cell_smaller_than_the_cutoff_equals_its_supercell(model):
    positions, cell, types = laws.crystal(1)
    small = laws.energy(model, positions, cell, types)
    shifts = np.stack(np.meshgrid(*[np.arange(3)] * 3), axis=-1).reshape(-1, 3) @ cell
    big = laws.energy(model, (positions + shifts[:, None]).reshape(-1, 3), 3 * cell, np.tile(types, 27))
    assert big == pytest.approx(27 * small, rel=1e-10)


@pytest.mark.parametrize("name", laws.LAYERED)
def test_layers_over_owned_atoms_and_ghosts_equal_the_whole(name, atoms):
    """Two halves of the atoms, each with the rest as ghosts whose state comes from the other half."""
    model = laws.LAYERED[name]()
    positions, cell, types = atoms
    index, vectors = laws.neighbor_edges(positions, cell, np.ones(3, dtype=bool), laws.CUTOFF)
    edges, vectors, types = torch.from_numpy(index), torch.from_numpy(vectors), torch.from_numpy(types)
    whole = model(types, edges, vectors)
    halves = [torch.arange(0, 13), torch.arange(13, 27)]
    orders = [torch.cat([halves[0], halves[1]]), torch.cat([halves[1], halves[0]])]
    state, total = model.embed(types), torch.zeros(27, dtype=torch.float64)
    for k in range(model.n_layers):
        new = []
        for own, order in zip(halves, orders, strict=True):
            rank = torch.argsort(order)
            mine = torch.isin(edges[0], own)
            out, energies = model.layer(k, len(own), types[order], state[order], rank[edges[:, mine]], vectors[mine])
            total[own] += energies
            new.append(out)
        state = torch.cat(new)
    torch.testing.assert_close(total, whole, rtol=TOL, atol=TOL)


@pytest.mark.parametrize("make", [laws.potential, laws.e3x, laws.mace])
def test_float32_agrees_with_float64(make, atoms):
    positions, cell, types = atoms
    single, double = make("float32"), make("float64")
    double.load_state_dict({k: v.double() for k, v in single.state_dict().items()})
    forces = [laws.energy_forces_virial(m, positions, cell, types)[1].double() for m in (single, double)]
    assert float((forces[0] - forces[1]).abs().max()) < laws.TOLERANCE[torch.float32] * float(forces[1].abs().max())


def test_hard_cutoff_breaks_the_smoothness_law(monkeypatch):
    """Negative control: without the envelope the law above must fail."""
    from lampion.training.models import radial

    monkeypatch.setattr(radial, "smooth_cutoff", lambda distances, _cutoff: torch.ones_like(distances))
    model = laws.potential(l_max=1)
    inside, outside = (dimer(model, laws.CUTOFF + shift)[0].sum() for shift in (-1e-5, 1e-5))
    assert abs(float(inside - outside)) > 1e-6


@pytest.mark.parametrize("name", laws.LAYERED)
def test_a_rank_without_atoms_has_no_energies(name):
    """Where a box is empty, models are evaluated on nothing at all or on senders alone."""
    model, nothing = laws.LAYERED[name](), torch.zeros(0, dtype=torch.int64)
    edges, vectors = torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0, 3, dtype=torch.float64)
    assert model(nothing, edges, vectors).shape == (0,)
    senders = torch.tensor([0, 1])
    state = model.embed(senders)
    for k in range(model.n_layers):
        state, energies = model.layer(k, 0, senders, state, edges, vectors)
        assert len(state) == len(energies) == 0
        state = torch.zeros(2, *state.shape[1:], dtype=torch.float64)
