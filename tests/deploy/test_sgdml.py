"""sGDML force fields as model files, against the formulas of the paper in plain numpy, in Python and in `lmp`."""

import io
import lzma
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import atomic_masses

from lampion.deploy.calculator import LampionCalculator
from lampion.deploy.export import export_model
from lampion.deploy.modelfile import ModelFileError, load_model, read_manifest
from lampion.deploy.sgdml import SgdmlPotential
from lampion.deploy.sgdml_file import read_sgdml
from lampion.training.errors import CheckpointError, DataError
from lampion.training.models.edges import forces_of
from shared_data import shared_data
from stock_lmp import EV_PER_KCAL_MOL, Array, Finished, command, environment, launch

WATER = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])  # O H H
PERMUTATIONS = np.array([[0, 1, 2], [0, 2, 1]])
PAIRS = [(1, 0), (2, 0), (2, 1)]
SIGMA, CONSTANT, STD, N_POINTS = 2.0, -50.0, 1.7, 6


def descriptor(positions: Array) -> Array:
    return np.array([1 / np.linalg.norm(positions[a] - positions[b]) for a, b in PAIRS])


def training() -> tuple[Array, Array]:
    """Geometries (n, 3 atoms, 3) and coefficients (n, 3 pairs)."""
    rng = np.random.default_rng(3)
    return WATER + 0.1 * rng.normal(size=(N_POINTS, 3, 3)), 100.0 * rng.normal(size=(N_POINTS, 3))


def oracle(positions: Array) -> tuple[float, Array]:
    """Energy (eV) and forces (eV/Å): loops over training points and permutations of their atoms."""
    x = descriptor(positions)
    energy, force = 0.0, np.zeros(3)  # kcal/mol, and its negative derivative with respect to x
    for geometry, alpha in zip(*training(), strict=True):
        of_pair = {frozenset(pair): value for pair, value in zip(PAIRS, alpha, strict=True)}
        for permutation in PERMUTATIONS:
            a_k = np.array([of_pair[frozenset((permutation[a], permutation[b]))] for a, b in PAIRS])
            d = x - descriptor(geometry[permutation])
            q = np.sqrt(5) * np.linalg.norm(d)
            b_k = 5 / (3 * SIGMA**3) * np.exp(-q / SIGMA)
            energy += d @ a_k * b_k * (q + SIGMA)
            force += 5 / SIGMA * (d @ a_k) * b_k * d - b_k * (q + SIGMA) * a_k
    forces = np.zeros((3, 3))
    for (a, b), f, inverse in zip(PAIRS, force, x, strict=True):
        pull = -f * inverse**3 * (positions[a] - positions[b])
        forces[a] += pull
        forces[b] -= pull
    return EV_PER_KCAL_MOL * (STD * energy + CONSTANT), EV_PER_KCAL_MOL * STD * forces


def contents() -> dict[str, object]:
    """The entries of today's sGDML files."""
    geometries, alphas = training()
    rows = {frozenset(pair): row for row, pair in enumerate(PAIRS)}
    orders = np.array([[rows[frozenset((p[a], p[b]))] for a, b in PAIRS] for p in PERMUTATIONS])
    return {
        "type": "m",
        "z": np.array([8, 1, 1], dtype=np.uint8),
        "perms": PERMUTATIONS,
        "tril_perms_lin": (orders + 3 * np.arange(2)[:, None]).flatten("F"),
        "R_desc": np.array([descriptor(geometry) for geometry in geometries]).T,
        "R_d_desc_alpha": alphas,
        "sig": SIGMA,
        "c": CONSTANT,
        "std": STD,
        "e_unit": "kcal/mol",
        "r_unit": "Ang",
    }


def first_release(entries: dict[str, object]) -> dict[str, object]:
    """The same as the first releases wrote it: other names, atoms counted from 1, no std, no units."""
    geometry = {name: entries[name] for name in ("z", "tril_perms_lin", "sig", "c")}
    alphas = STD * np.asarray(entries["R_d_desc_alpha"])[:, :, None]
    return geometry | {"perms": PERMUTATIONS + 1, "Rt_desc": entries["R_desc"], "Rt_d_desc_alpha": alphas}


@pytest.fixture(scope="module")
def water(tmp_path_factory):
    """Model file of the synthetic water."""
    folder = tmp_path_factory.mktemp("sgdml")
    np.savez(folder / "water.npz", **contents())
    export_model(folder / "water.npz", folder / "water.pt")
    return folder / "water.pt"


def molecules(n: int) -> Array:
    return WATER + 0.08 * np.random.default_rng(11).normal(size=(n, 3, 3))


Graph = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def graph(positions: Array, cutoff: float = 12.0, seed: int | None = None) -> Graph:
    """Graph of molecules (n, n_atoms, 3) that do not see each other; atoms and edges shuffled if there is a seed."""
    n, n_atoms, _ = positions.shape
    flat, molecule = positions.reshape(-1, 3), np.repeat(np.arange(n), n_atoms)
    vectors = flat[None] - flat[:, None]
    near = (molecule[:, None] == molecule) & (np.linalg.norm(vectors, axis=2) < cutoff) & ~np.eye(len(flat), dtype=bool)
    i, j = np.nonzero(near)
    edge_vectors, types, place = vectors[i, j], np.tile(np.arange(n_atoms), n), np.arange(len(flat))
    if seed is not None:
        rng = np.random.default_rng(seed)
        place, edges = rng.permutation(len(flat)), rng.permutation(len(i))
        i, j, edge_vectors = i[edges], j[edges], edge_vectors[edges]
    shuffled = np.empty_like(types)
    shuffled[place] = types
    return torch.from_numpy(shuffled), torch.from_numpy(np.stack([place[i], place[j]])), torch.from_numpy(edge_vectors)


def energies_and_forces(module: torch.nn.Module, inputs: Graph) -> tuple[Array, Array]:
    types, edge_index, edge_vectors = inputs
    edge_vectors = edge_vectors.clone().requires_grad_()
    energies = module(types, edge_index, edge_vectors)
    (gradient,) = torch.autograd.grad(energies.sum(), edge_vectors)
    return energies.detach().numpy(), forces_of(gradient, edge_index, len(types)).numpy()


def test_energy_and_forces_are_those_of_the_paper(water):
    module, manifest = load_model(water)
    assert (manifest.type_names, manifest.n_layers, manifest.dtype) == (("O1", "H2", "H3"), 1, "float64")
    for positions in molecules(5):
        energy, forces = oracle(positions)
        found = energies_and_forces(module, graph(positions[None]))
        assert np.abs(forces).max() > 1.0
        np.testing.assert_allclose(found[0].sum(), energy, rtol=1e-12)
        np.testing.assert_allclose(found[1], forces, atol=1e-11)


def test_forces_are_finite_differences_of_the_energy(water):
    module, _ = load_model(water)
    (positions,) = molecules(1)
    _, forces = energies_and_forces(module, graph(positions[None]))
    for atom, axis in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[atom, axis] = 1e-4
        energy = [float(module(*graph((positions + sign * step)[None])).sum()) for sign in (1, -1)]
        assert forces[atom, axis] == pytest.approx((energy[1] - energy[0]) / 2e-4, abs=1e-6)


def test_at_a_training_point_nothing_is_singular(water):
    module, _ = load_model(water)
    positions = training()[0][2]
    energy, forces = oracle(positions)
    found = energies_and_forces(module, graph(positions[None]))
    np.testing.assert_allclose(found[0].sum(), energy, rtol=1e-12)
    np.testing.assert_allclose(found[1], forces, atol=1e-9)


def test_equivalent_atoms_may_change_places(water):
    module, _ = load_model(water)
    (positions,) = molecules(1)
    energies = [float(module(*graph(positions[None, order])).sum()) for order in ([0, 1, 2], [0, 2, 1], [1, 0, 2])]
    assert energies[1] == pytest.approx(energies[0], rel=1e-12)
    assert abs(energies[2] - energies[0]) > 0.1  # not so of others


def test_molecules_in_one_graph_are_as_alone_in_any_order_of_atoms(water):
    module, _ = load_model(water)
    positions = molecules(4)
    alone = [oracle(molecule) for molecule in positions]
    for seed in range(3):
        energies, forces = energies_and_forces(module, graph(positions, seed=seed))
        place = np.random.default_rng(seed).permutation(12)
        np.testing.assert_allclose(energies[place][::3], [energy for energy, _ in alone], rtol=1e-12)
        np.testing.assert_allclose(forces[place].reshape(4, 3, 3), [force for _, force in alone], atol=1e-11)


def test_no_molecule_is_no_energy(water):
    module, _ = load_model(water)
    assert module(*graph(np.zeros((0, 3, 3)))).shape == (0,)


def test_a_molecule_beyond_the_cutoff_is_no_number_and_the_others_are_as_before(water):
    module, _ = load_model(water)
    positions = molecules(3)
    positions[1, 2] += [0, 11.9, 0]
    energies, forces = energies_and_forces(module, graph(positions))
    assert np.isnan(energies).tolist() == [False] * 3 + [True, False, True] + [False] * 3
    assert np.isnan(forces).all(1).tolist() == [False] * 3 + [True, True, False] + [False] * 3  # the third sees no atom
    for k in (0, 2):
        energy, force = oracle(positions[k])
        np.testing.assert_allclose(energies[3 * k], energy, rtol=1e-12)
        np.testing.assert_allclose(forces[3 * k : 3 * k + 3], force, atol=1e-11)


def test_molecules_that_see_each_other_are_no_numbers(water):
    module, _ = load_model(water)
    pair = molecules(2) + np.array([[[0.0, 0, 0]], [[4.0, 0, 0]]])
    _, edge_index, vectors = graph(pair.reshape(1, 6, 3))
    assert np.isnan(module(torch.tensor([0, 1, 2, 0, 1, 2]), edge_index, vectors).numpy()).all()


def test_files_of_the_first_releases_are_the_same_model(water, tmp_path):
    np.savez(tmp_path / "old.npz", **first_release(contents()))
    old, inputs = SgdmlPotential(read_sgdml(tmp_path / "old.npz")), graph(molecules(2))
    torch.testing.assert_close(old(*inputs), load_model(water)[0](*inputs), rtol=1e-13, atol=0)


def test_manifest_has_the_shortest_distances_of_equivalent_pairs(water):
    shortest = read_manifest(water).training["shortest_distance"]
    lengths = [1 / descriptor(geometry) for geometry in training()[0]]
    assert shortest["O1-H2"] == shortest["O1-H3"] == pytest.approx(np.min([length[:2] for length in lengths]))
    assert shortest["H2-H3"] == pytest.approx(min(length[2] for length in lengths))


DAMAGED = {
    "lacks": ({"sig": None, "R_desc": None}, r"is no sGDML model: it has no sig, R_desc; give the file"),
    "units": ({"e_unit": "eV"}, r"e_unit is eV; train on a data set with energies in kcal/mol"),
    "lengths": ({"r_unit": "bohr"}, r"r_unit is bohr; train on a data set with lengths in Ang"),
    "periodic": ({"lattice": np.eye(3)}, r"is of a periodic system \(key lattice\); supported are sGDML models of"),
    "constraints": ({"alphas_E": np.ones(6)}, r"was trained on energy constraints \(key alphas_E\)"),
    "pickle": ({"c": np.array(None)}, r"cannot be read as npz: Object arrays cannot be loaded"),
    "nan": (
        {"R_d_desc_alpha": np.full((6, 3), np.nan)},
        r"damaged .*: R_d_desc_alpha must be finite numbers",
    ),
    "touching": ({"R_desc": np.zeros((3, 6))}, r"damaged sGDML model: its descriptors must be larger than 0"),
    "short": ({"R_d_desc_alpha": np.ones((5, 3))}, r"damaged sGDML model: its tables do not belong to 3 atoms"),
    "atoms": ({"z": np.array([8, 1, 1, 1])}, r"damaged sGDML model: its tables do not belong to 4 atoms"),
    "elements": ({"z": np.array([8, 1, 300])}, r"damaged sGDML model: z must be atomic numbers"),
    "order": ({"tril_perms_lin": np.zeros(6, dtype=int)}, r"damaged sGDML model: tril_perms_lin holds no permutations"),
    "count": ({"tril_perms_lin": np.arange(3)}, r"tril_perms_lin must be 2 permutations of 3 pairs"),
    "sigma": ({"sig": 0}, r"damaged sGDML model: sig must be larger than 0, received 0"),
    "constant": ({"c": np.inf}, r"damaged sGDML model: c must be a number, received inf"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_and_foreign_files_are_refused(name, tmp_path):
    changes, message = DAMAGED[name]
    entries = {key: value for key, value in (contents() | changes).items() if value is not None}
    np.savez(tmp_path / "model.npz", **entries)
    with pytest.raises(DataError, match=rf"model\.npz: .*{message}"):
        export_model(tmp_path / "model.npz", tmp_path / "model.pt")
    assert not (tmp_path / "model.pt").exists()


def test_half_a_file_is_refused_and_others_are_told_apart_by_content(tmp_path):
    np.savez(tmp_path / "whole.npz", **contents())
    whole = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"half\.npz: cannot be read as npz"):
        export_model(tmp_path / "half.npz", tmp_path / "model.pt")
    (tmp_path / "half.ckpt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        export_model(tmp_path / "half.ckpt", tmp_path / "model.pt")
    (tmp_path / "named_otherwise").write_bytes(whole)
    assert export_model(tmp_path / "named_otherwise", tmp_path / "model.pt")


def test_the_ase_calculator_takes_atoms_in_the_order_of_the_model(water):
    (positions,) = molecules(1)
    energy, forces = oracle(positions)
    atoms = Atoms("OHH", positions, calculator=LampionCalculator(water))
    assert atoms.get_potential_energy() == pytest.approx(energy, rel=1e-12)
    np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-11)
    with pytest.raises(ModelFileError, match=r"water\.pt: knows O1, H2, H3, not H, O"):
        LampionCalculator(water).get_potential_energy(Atoms("HOH", positions))


def write_replicas(folder: Path, positions: Array, numbers: list[int], edge: float) -> None:
    """`start.data`: molecules (n, n_atoms, 3), a type for each atom of a molecule, all amid the box."""
    n, n_atoms, _ = positions.shape
    lines = ["replicas", "", f"{n * n_atoms} atoms", f"{n_atoms} atom types", ""]
    lines += [f"0 {edge} {a}lo {a}hi" for a in "xyz"]
    lines += ["", "Masses", "", *(f"{k} {atomic_masses[z]}" for k, z in enumerate(numbers, 1))]
    lines += ["", "Atoms # molecular", ""]
    for k, r in enumerate(positions.reshape(-1, 3) + edge / 2):
        lines.append(f"{k + 1} {k // n_atoms + 1} {k % n_atoms + 1} {r[0]:.17g} {r[1]:.17g} {r[2]:.17g}")
    (folder / "start.data").write_text("\n".join(lines) + "\n")


def run(folder: Path, model: Path, watch: str = "", steps: int = 0, ranks: int = 1) -> Finished:
    """Molecules that do not see each other, in `lmp`."""
    (folder / "in.lmp").write_text(f"""
units metal
atom_style molecular
atom_modify map array
read_data start.data
pair_style lampion
pair_coeff * * {model} {" ".join(read_manifest(model).type_names)}
neigh_modify every 1 delay 0 check no exclude molecule/inter all
timestep 0.0005
fix move all nve
{watch}
compute e all pe/atom
compute_modify thermo_temp dynamic/dof yes
thermo_style custom step atoms pe etotal
thermo_modify norm no format float %.17g
dump 1 all custom 1000 dump id c_e fx fy fz
dump_modify 1 format float %.17g
run {steps}
""")
    return launch(command(ranks), folder, environment())


@pytest.mark.parametrize("ranks", [1, 2])
def test_lmp_has_the_same_energies_and_forces(water, tmp_path, ranks):
    positions = molecules(3)
    write_replicas(tmp_path, positions, [8, 1, 1], edge=40.0)
    done = run(tmp_path, water, ranks=ranks)
    assert done.code == 0, done.output
    atoms, expected = done.atoms(), [oracle(molecule) for molecule in positions]
    np.testing.assert_allclose(atoms["c_e"].reshape(3, 3).sum(1), [energy for energy, _ in expected], rtol=1e-12)
    forces = np.stack([atoms[f"f{a}"] for a in "xyz"], 1).reshape(3, 3, 3)
    np.testing.assert_allclose(forces, [force for _, force in expected], atol=1e-10)


def test_lmp_takes_out_a_molecule_that_is_not_whole(water, tmp_path):
    positions = molecules(3)
    positions[1, 2] += [0, 13.0, 0]
    write_replicas(tmp_path, positions, [8, 1, 1], edge=60.0)
    watch = "fix watch all lampion/replicas elements O H H force NULL temperature NULL failures failed.txt"
    done = run(tmp_path, water, watch, steps=2)
    assert done.code == 0, done.output
    (row,) = [line.split() for line in (tmp_path / "failed.txt").read_text().splitlines() if line[0] != "#"]
    assert row[0] == "2"
    assert row[3] == "nonfinite"
    assert done.thermo()["Atoms"][-1] == 6


def test_lmp_stops_in_a_box_in_which_a_molecule_sees_its_image(water, tmp_path):
    write_replicas(tmp_path, molecules(1), [8, 1, 1], edge=11.0)
    done = run(tmp_path, water)
    assert done.code != 0
    assert "no finite number" in done.output


@pytest.fixture(scope="module")
def ethanol(tmp_path_factory):
    """Model file of the published force field of MD17 ethanol, and frames with MD17's labels."""
    source, labels = shared_data("sgdml/sgdml_md17_ethanol.npz"), shared_data("rmd17/ethanol.extxyz.xz")
    with lzma.open(labels, "rt") as file:
        text = "".join(line for _, line in zip(range(300 * 11), file, strict=False))
    model = tmp_path_factory.mktemp("ethanol") / "reference.pt"
    export_model(source, model)
    return model, ase.io.read(io.StringIO(text), ":", format="extxyz")


def test_ethanol_has_the_published_force_error(ethanol):
    model, frames = ethanol
    module, _ = load_model(model)
    energies, forces = energies_and_forces(module, graph(np.stack([frame.positions for frame in frames])))
    labels = np.concatenate([frame.arrays["forces_md17"] for frame in frames])
    assert np.abs(forces - labels).mean() / EV_PER_KCAL_MOL == pytest.approx(0.34, abs=0.015)
    errors = energies[energies != 0] - [frame.info["energy_md17"] for frame in frames]
    assert np.abs(errors).mean() / EV_PER_KCAL_MOL == pytest.approx(0.07, abs=0.01)  # e_mae of the file: 0.072


def test_ethanol_in_lmp(ethanol, tmp_path):
    model, frames = ethanol
    positions = np.stack([frame.positions - frame.positions.mean(0) for frame in frames[:2]])
    write_replicas(tmp_path, positions, [6, 6, 8, 1, 1, 1, 1, 1, 1], edge=40.0)
    done = run(tmp_path, model)
    assert done.code == 0, done.output
    module, _ = load_model(model)
    energies, forces = energies_and_forces(module, graph(positions))
    atoms = done.atoms()
    np.testing.assert_allclose(atoms["c_e"], energies, rtol=1e-12)
    np.testing.assert_allclose(np.stack([atoms[f"f{a}"] for a in "xyz"], 1), forces, atol=1e-8)
