"""HDF5 and extended XYZ: what is written is read back, and damaged or unlabelled files are refused."""

import itertools

import h5py
import numpy as np
import pytest
from ase import Atoms
from ase.io import read as ase_read
from ase.io import write as ase_write

from lampion.training.checks.findings import require_sane
from lampion.training.checks.summary import summarize
from lampion.training.data.frames import Frames, mean_energy_per_type
from lampion.training.data.hdf5 import read_hdf5, write_hdf5
from lampion.training.errors import DataError
from lampion.training.labels.extxyz import read_extxyz, write_extxyz


def some_frames(seed: int = 0, n_frames: int = 4) -> Frames:
    """Random Ar/Ne frames of 5 to 8 atoms whose energy is -1 per Ar and -2 per Ne."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(5, 9, n_frames)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    types = rng.integers(0, 2, offsets[-1])
    grid = np.stack(np.meshgrid(*[np.arange(2)] * 3), axis=-1).reshape(-1, 3) * 4.0
    return Frames(
        type_names=("Ar", "Ne"),
        offsets=offsets.astype(np.int64),
        types=types,
        positions=np.concatenate([grid[:n] + rng.uniform(-0.3, 0.3, (n, 3)) for n in sizes]),
        cell=np.stack([8.0 * np.eye(3) + 0.1 * rng.normal(size=(3, 3)) for _ in sizes]),
        pbc=np.ones((n_frames, 3), dtype=bool),
        energy=np.array([-float((types[a:b] + 1).sum()) for a, b in itertools.pairwise(offsets)]),
        forces=rng.normal(size=(offsets[-1], 3)),
        step=np.arange(n_frames) * 10,
        stress=np.stack([(m + m.T) / 2 for m in rng.normal(size=(n_frames, 3, 3))]),
        velocities=rng.normal(size=(offsets[-1], 3)),
    )


ARRAYS = ("offsets", "types", "positions", "cell", "pbc", "energy", "forces", "step", "stress", "velocities")


def test_hdf5_round_trip_is_exact(tmp_path):
    frames = some_frames()
    write_hdf5(frames, tmp_path / "a.h5")
    back = read_hdf5(tmp_path / "a.h5")
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(back, name), getattr(frames, name))
    assert back.type_names == frames.type_names
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["forces"].attrs["unit"] == "eV/Å"


def test_extxyz_round_trip(tmp_path):
    frames = some_frames()
    write_extxyz(frames, tmp_path / "a.extxyz")
    back = read_extxyz(tmp_path / "a.extxyz")
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(back, name), getattr(frames, name), atol=1e-7)


def test_extxyz_carries_the_labels_other_codes_expect(tmp_path):
    write_extxyz(some_frames(), tmp_path / "a.extxyz")
    first = ase_read(tmp_path / "a.extxyz", 0)
    assert {"REF_energy", "REF_stress"} <= first.info.keys()
    assert "REF_forces" in first.arrays


def test_missing_labels_are_never_zero(tmp_path):
    atoms = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 4]])
    atoms.info["energy_dft"] = 1.0
    ase_write(tmp_path / "a.extxyz", atoms)
    with pytest.raises(
        DataError, match=r"frame 0: energy and forces missing \(found: energy_dft\); name both with --energy-key"
    ):
        read_extxyz(tmp_path / "a.extxyz")


def test_truncated_extxyz(tmp_path):
    write_extxyz(some_frames(), tmp_path / "a.extxyz")
    text = (tmp_path / "a.extxyz").read_text()
    (tmp_path / "a.extxyz").write_text(text[: -len(text) // 3])
    with pytest.raises(DataError, match="not readable as extended XYZ"):
        read_extxyz(tmp_path / "a.extxyz")


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89HDF\r\n\x1a\n" + bytes(50)], ids=["empty", "html", "cut"])
def test_foreign_hdf5(tmp_path, content):
    (tmp_path / "a.h5").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.h5: is not a readable HDF5 file"):
        read_hdf5(tmp_path / "a.h5")


def test_hdf5_of_something_else(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = [1, 2]
    with pytest.raises(DataError, match="holds no labelled frames"):
        read_hdf5(tmp_path / "a.h5")


def test_failed_write_keeps_the_old_file(tmp_path):
    write_hdf5(some_frames(), tmp_path / "a.h5")
    before = (tmp_path / "a.h5").read_bytes()
    broken = some_frames(1)
    object.__setattr__(broken, "stress", object())  # h5py cannot store it
    with pytest.raises(TypeError, match="Object dtype"):
        write_hdf5(broken, tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_selection_keeps_frames_whole():
    frames = some_frames()
    some = frames.select([2, 0])
    np.testing.assert_array_equal(some.forces[some.atoms_of(0)], frames.forces[frames.atoms_of(2)])
    np.testing.assert_array_equal(some.stress[1], frames.stress[0])
    assert some.n_atoms.tolist() == [frames.n_atoms[2], frames.n_atoms[0]]


def test_energies_per_type_are_recovered_by_least_squares():
    np.testing.assert_allclose(mean_energy_per_type(some_frames(n_frames=8)), [-1.0, -2.0], atol=1e-10)


def test_summary_finds_the_shortest_distance_and_duplicates():
    frames = some_frames()
    summary = summarize(frames.select([0, 1, 1]))
    assert summary.duplicates == 1
    first = frames.atoms_of(0)
    pairs = np.linalg.norm(frames.positions[first][:, None] - frames.positions[first], axis=-1)
    assert min(summarize(frames.select([0])).shortest.values()) <= pairs[pairs > 0].min() + 1e-12


def test_zero_forces_and_overlaps_are_refused():
    frames = some_frames()
    object.__setattr__(frames, "forces", np.zeros_like(frames.forces))
    with pytest.raises(DataError, match="every force is zero"):
        require_sane(frames, "a.h5")
    overlapping = some_frames()
    overlapping.positions[1] = overlapping.positions[0] + 0.01
    with pytest.raises(DataError, match=r"two atoms are 0\.0173 Å apart"):
        require_sane(overlapping, "a.h5")
