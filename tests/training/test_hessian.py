"""Hessians of a model against finite differences of its forces; their labels; what training on them is good for."""

from pathlib import Path

import numpy as np
import pytest
import torch

import argon
import laws
import stock_lmp
from lampion.training.config.training import load_config
from lampion.training.data.frames import Frames
from lampion.training.data.graphs import Graph, build_graphs, join
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.data.neighbors import neighbor_edges
from lampion.training.errors import ConfigError, DataError
from lampion.training.labels.hessian_labels import Hessians, hessian_of_forces, read_hessians, write_hessians
from lampion.training.labels.lammps_hessian import read_lammps_hessian
from lampion.training.loop.checkpoint import read_checkpoint
from lampion.training.loop.distributed import Team
from lampion.training.loop.hessian import HessianLoss, hessian, hessian_vector_products
from lampion.training.loop.train import Training
from lampion.training.models.build import model_of_checkpoint
from lampion.training.models.predict import predict


def graph_of(positions: np.ndarray, cell: np.ndarray, types: np.ndarray) -> Graph:
    frames = Frames(
        type_names=("A", "B"),
        offsets=np.array([0, len(types)]),
        types=types,
        positions=positions,
        cell=cell[None],
        pbc=np.ones((1, 3), dtype=bool),
        energy=np.zeros(1),
        forces=np.zeros((len(types), 3)),
        step=np.zeros(1, dtype=np.int64),
    )
    return build_graphs(frames, laws.CUTOFF, torch.float64)[0]


@pytest.mark.parametrize("name", ["l1", "l2, one layer, four-body"])
def test_products_are_the_slope_of_the_forces(name):
    model, (positions, cell, types) = laws.MODELS[name](), laws.crystal(2)
    graphs, products, step = [], [], 1e-4
    for seed in (1, 2):
        v = np.random.default_rng(seed).normal(size=positions.shape)
        forces = [predict(model, graph_of(positions + s * step * v, cell, types)).forces.detach() for s in (1, -1)]
        products.append((forces[1] - forces[0]) / (2 * step))
        graphs.append((graph_of(positions, cell, types), torch.from_numpy(v)))
    found = hessian_vector_products(model, join([g for g, _ in graphs]), torch.cat([v for _, v in graphs]))
    torch.testing.assert_close(found, torch.cat(products), rtol=1e-6, atol=1e-6)


def test_whole_hessian_is_symmetric_and_blind_to_shifts():
    model, (positions, cell, types) = laws.MODELS["l1"](), laws.crystal(2)
    found = hessian(model, graph_of(positions, cell, types))
    size = found.abs().max()
    assert (found - found.T).abs().max() < 1e-10 * size
    assert found.reshape(len(found), -1, 3).sum(dim=1).abs().max() < 1e-10 * size
    forces = lambda x: predict(model, graph_of(x, cell, types)).forces.detach().numpy()  # noqa: E731
    np.testing.assert_allclose(found.detach().numpy(), hessian_of_forces(forces, positions), atol=3e-5 * float(size))


def lj_forces(frames: Frames, positions: np.ndarray) -> np.ndarray:
    index, vectors = neighbor_edges(positions, frames.cell[0], frames.pbc[0], argon.R_OUT)
    r = np.linalg.norm(vectors, axis=1)
    forces = np.zeros_like(positions)
    np.add.at(forces, index[0], (argon.pair_energy(r)[1] / r)[:, None] * vectors)
    return forces


def argon_hessians(n_frames: int, seed: int) -> Hessians:
    """Crystals of four atoms and the Hessians of their Lennard-Jones."""
    frames = argon.crystal_frames(n_frames, cells=1, seed=seed)
    singles = [frames.select([f]) for f in range(n_frames)]
    matrices = [hessian_of_forces(lambda x, s=s: lj_forces(s, x), s.positions) for s in singles]
    return Hessians(np.full(4, 18), frames.positions.reshape(-1, 4, 3), np.stack(matrices), frames.cell)


@pytest.fixture
def folder(tmp_path):
    write_hdf5(argon.crystal_frames(10, cells=1), tmp_path / "frames.h5")
    write_hessians(argon_hessians(6, seed=5), tmp_path / "hessians.npz")
    return tmp_path


def configure(folder: Path, **loss: str) -> Path:
    values = {"hessian": "0.1", "hessian_files": f"[{folder / 'hessians.npz'}]", **loss}
    return argon.write_config(
        folder,
        model="{cutoff: 6.0, channels: 2, basis: 4, layers: 1, readout_width: 4, dtype: float64}",
        loss="{" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}",
    )


def hessian_error(model: torch.nn.Module, labelled: Hessians) -> float:
    """Root mean square error of all elements, eV/Å²."""
    frames = argon.crystal_frames(len(labelled.positions), cells=1, seed=6)
    graphs = build_graphs(frames, 6.0, torch.float64)
    found = np.stack([hessian(model, graph).detach().numpy() for graph in graphs])
    return float(np.sqrt(((found - labelled.hessian) ** 2).mean()))


def test_training_on_hessians_lowers_their_error_on_frames_it_has_not_seen(folder):
    held_out, errors = argon_hessians(4, seed=6), {}
    for weight in ("0.0", "0.1"):
        config = load_config(configure(folder, hessian=weight), ["epochs=30"])
        best = Training(config, folder / f"train-{weight}").run(restart=False)
        errors[weight] = hessian_error(model_of_checkpoint(read_checkpoint(best))[0], held_out)
    assert errors["0.1"] < errors["0.0"], errors


def test_random_products_sample_the_whole_hessian(folder):
    """The mean over draws of the random loss is the loss of all columns, and gradients agree with differences."""
    config = load_config(configure(folder, hessian_vectors="400"))
    training = Training(config, folder / "train")
    random = float(HessianLoss(config, training.statistics).add_gradients(training.model, 3, 1.0, Team()))
    whole = []
    for graph, label in zip(training.hessians.graphs, training.hessians.labels, strict=True):
        error = hessian(training.model, graph).detach().numpy() - label
        whole.append((error**2).sum() / len(label) / training.statistics.force_scale**2)
    assert random == pytest.approx(np.mean(whole), rel=0.15)
    everything = load_config(configure(folder, hessian_vectors="0"))
    exact = float(HessianLoss(everything, training.statistics).add_gradients(training.model, 3, 1.0, Team()))
    assert min(abs(exact - value) / value for value in whole) < 1e-10


def test_gradients_of_the_hessian_loss(folder):
    config = load_config(configure(folder))
    training = Training(config, folder / "train")
    loss = HessianLoss(config, training.statistics)
    weight = training.model.layers[0].mix.weight
    training.model.zero_grad()
    loss.add_gradients(training.model, 0, 0.5, Team())
    found = float(weight.grad[0, 0, 1])
    values, step = [], 1e-5
    for sign in (1, -1):
        with torch.no_grad():
            weight[0, 0, 1] += sign * step
        values.append(float(loss.add_gradients(training.model, 0, 0.5, Team())))
        with torch.no_grad():
            weight[0, 0, 1] -= sign * step
    assert found == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5)


def test_draws_are_functions_of_the_step(folder):
    config = load_config(configure(folder))
    loss = HessianLoss(config, Training(config, folder / "train").statistics)
    assert torch.equal(loss.draw(5).vectors, loss.draw(5).vectors)
    assert not torch.equal(loss.draw(5).vectors, loss.draw(6).vectors)


LAMMPS = Path(__file__).parents[2] / "lammps_inputs" / "argon" / "hessian.in"

DIFFERENCES = """
group one id 3
variable write string "write_dump all custom moved.dump id x y z fx fy fz modify sort id format float %.17g append yes"
"""


def test_lammps_dynamical_matrix_is_the_slope_of_its_forces(tmp_path):
    """The shipped input, and after it the same atom displaced both ways along x, y and z."""
    moves = "".join(
        f"displace_atoms one move {' '.join(str(s * h) for h in axis)} units box\nrun 0 post no\n${{write}}\n"
        f"displace_atoms one move {' '.join(str(-s * h) for h in axis)} units box\n"
        for axis in (1e-3 * np.eye(3))
        for s in (1, -1)
    )
    (tmp_path / "in.lmp").write_text(LAMMPS.read_text() + DIFFERENCES + moves)
    command = [*stock_lmp.command()[:-2], "-log", "log.lammps"]
    run = stock_lmp.launch(command, tmp_path, stock_lmp.environment())
    assert run.code == 0, run.output
    found = read_lammps_hessian(tmp_path / "hessian.dump", tmp_path / "log.lammps", tmp_path / "hessian.dat")
    blocks = (tmp_path / "moved.dump").read_text().split("ITEM: TIMESTEP")[1:]
    forces = [np.loadtxt(block.splitlines()[9:], usecols=(4, 5, 6)).reshape(-1) for block in blocks]
    assert len(forces) == 6
    kcal = 0.0433641042418
    rows = np.stack([(forces[2 * a + 1] - forces[2 * a]) / 2e-3 for a in range(3)]) * kcal
    np.testing.assert_allclose(found.hessian[0, 6:9], rows, atol=2e-5 * np.abs(rows).max())
    write_hessians(found, tmp_path / "hessians.npz")
    assert read_hessians(tmp_path / "hessians.npz").hessian.shape == (1, 96, 96)


def test_wrong_lammps_files_are_refused(tmp_path):
    for name, text in (("log.lammps", "units real\n"), ("hessian.dat", "1 2 3\n")):
        (tmp_path / name).write_text(text)
    box = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS pp pp pp\n0 9\n0 9\n0 9\n"
    files = (tmp_path / "h.dump", tmp_path / "log.lammps", tmp_path / "hessian.dat")
    files[0].write_text(f"{box}ITEM: ATOMS id element x y z fx fy fz\n1 Ar 0.5 0 0 0 0 0\n")
    with pytest.raises(DataError, match=r"h\.dump: has no column mass; write"):
        read_lammps_hessian(*files)
    files[0].write_text(f"{box}ITEM: ATOMS id element mass x y z fx fy fz\n1 Ar 39.948 0.5 0 0 0 0 0\n")
    with pytest.raises(DataError, match=r"holds 3 numbers, the 1 atoms of the dump need 9"):
        read_lammps_hessian(*files)


def spoiled(change) -> Hessians:
    good = argon_hessians(1, seed=1)
    return Hessians(**(vars(good) | change(good)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: {"hessian": h.hessian[:, :6]}, r"hessian has the shape \(1, 6, 12\), expected \(1, 12, 12\)"),
        (lambda h: {"hessian": h.hessian * np.nan}, "hessian is not finite"),
        (lambda h: {"hessian": h.hessian + np.triu(np.ones((12, 12)), 1)}, "is not symmetric"),
        (lambda h: {"hessian": h.hessian + np.eye(12)}, "mass-weighted or incomplete"),
    ],
)
def test_what_is_no_hessian_is_refused(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        write_hessians(spoiled(change), tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


def test_files_that_cannot_be_used(folder):
    with pytest.raises(ConfigError, match=r"loss\.hessian_files names no file"):
        Training(load_config(configure(folder, hessian_files="[]")), folder / "train")
    krypton = vars(argon_hessians(1, seed=1)) | {"numbers": np.full(4, 36)}
    write_hessians(Hessians(**krypton), folder / "hessians.npz")
    with pytest.raises(DataError, match=r"hessians\.npz: has Kr, the training data have Ar"):
        Training(load_config(configure(folder)), folder / "train")
    np.savez(folder / "hessians.npz", numbers=np.zeros(1))
    with pytest.raises(DataError, match="arrays positions, hessian are missing"):
        read_hessians(folder / "hessians.npz")


def test_hessians_of_two_molecules_are_read_as_published(shared_hessians):
    for path, n_frames, n_atoms in shared_hessians:
        assert read_hessians(path).hessian.shape == (n_frames, 3 * n_atoms, 3 * n_atoms)


@pytest.fixture
def shared_hessians():
    from shared_data import shared_data

    folder = shared_data("hessian")
    return [(folder / "H10C5N2O.npz", 9, 18), (folder / "H8C4N2O.npz", 11, 15)]
