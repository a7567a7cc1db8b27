"""Data larger than memory: mapped, not read; neighbour lists made once beside it; graphs made when needed."""

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

import argon
from lampion.training.data.frames import Frames, composition, concatenate, offsets_of
from lampion.training.data.graphs import EDGE_BYTES, Graph, GraphSet, join
from lampion.training.data.hdf5 import read_hdf5, write_hdf5, write_stream
from lampion.training.data.neighbor_lists import FOLDER, cached_lists, fingerprint
from lampion.training.errors import DataError
from lampion.training.preparation.statistics import DataStatistics
from molecule import trajectory

CUTOFF = 5.0


def graph_set(frames: Frames, *, limit: int) -> GraphSet:
    return GraphSet(frames, CUTOFF, torch.float64, memory_limit=limit)


def assert_same_graphs(first: GraphSet, second: GraphSet) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        for field in fields(Graph):
            torch.testing.assert_close(getattr(a, field.name), getattr(b, field.name), rtol=0, atol=0, equal_nan=True)


@pytest.fixture(params=["molecules", "crystals"])
def file(request, tmp_path):
    frames = trajectory(400).between(0, 50) if request.param == "molecules" else argon.crystal_frames(10)
    write_hdf5(frames, tmp_path / "frames.h5")
    return tmp_path / "frames.h5"


def test_frames_are_mapped_and_cannot_be_changed_by_accident(file):
    frames = read_hdf5(file)
    for name in ("positions", "forces", "energy", "cell"):
        values = getattr(frames, name)
        assert isinstance(values.base, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0.0


def test_graphs_made_when_needed_equal_those_kept_in_memory(file):
    frames = read_hdf5(file)
    kept, lazy = graph_set(frames, limit=2**30), graph_set(frames, limit=0)
    assert kept.in_memory
    assert not lazy.in_memory
    assert kept.n_edges == lazy.n_edges
    assert_same_graphs(kept, lazy)
    assert torch.equal(lazy[-1].forces, kept[len(kept) - 1].forces)
    assert [g.energy for g in lazy[2:4]] == [g.energy for g in kept[2:4]]
    with pytest.raises(IndexError, match="range object index out of range"):
        lazy[len(lazy)]


def test_composition_of_many_pieces_counts_every_atom():
    """Six frames of one or two types, the largest of them more atoms than a piece."""
    n_atoms = np.array([5, 9_000, 30_000, 1, 12_000, 7])
    types = np.random.default_rng(0).integers(0, 2, n_atoms.sum())
    frames = Frames(
        type_names=("C", "O"),
        offsets=offsets_of(n_atoms),
        types=types,
        positions=np.zeros((len(types), 3)),
        cell=np.zeros((6, 3, 3)),
        pbc=np.zeros((6, 3), dtype=bool),
        energy=np.zeros(6),
        forces=np.zeros((len(types), 3)),
        step=np.arange(6),
    )
    assert len(list(frames.chunks())) > 1
    expected = [[np.sum(part == 0), np.sum(part == 1)] for part in np.split(types, frames.offsets[1:-1])]
    np.testing.assert_array_equal(composition(frames), expected)


def test_expected_size_of_an_edge_is_what_its_tensors_take(file):
    graph = graph_set(read_hdf5(file), limit=0)[0]
    tensors = (graph.edge_index, graph.edge_vectors, graph.opposite)
    assert sum(tensor.nbytes for tensor in tensors) == EDGE_BYTES * graph.edge_index.shape[1]


def test_statistics_are_the_same_piece_by_piece(file):
    frames = read_hdf5(file)
    whole = concatenate(list(frames.chunks()))
    kept = DataStatistics.of(whole, graph_set(whole, limit=2**30))
    lazy = DataStatistics.of(frames, graph_set(frames, limit=0))
    assert lazy.type_names == kept.type_names
    assert lazy.force_scale == pytest.approx(kept.force_scale, rel=1e-12)
    assert (lazy.n_neighbors, lazy.shortest) == (kept.n_neighbors, kept.shortest)
    assert kept.force_scale == pytest.approx(np.sqrt((whole.forces**2).mean()), rel=1e-12)


def test_neighbour_lists_are_made_once(file):
    frames = read_hdf5(file)
    graph_set(frames, limit=0)
    (cache,) = (file.parent / FOLDER).iterdir()
    before = cache.stat()
    graph_set(frames, limit=0)
    assert cache.stat().st_mtime_ns == before.st_mtime_ns
    assert cache.stat().st_ino == before.st_ino


def test_cache_belongs_to_geometry_and_cutoff():
    frames = trajectory(400).between(0, 20)
    moved = replace(frames, positions=frames.positions + np.eye(3)[0] * 1e-12)
    relabelled = replace(frames, energy=frames.energy + 1)
    prints = {fingerprint(frames, 5.0), fingerprint(frames, 5.1), fingerprint(moved, 5.0)}
    assert len(prints) == 3
    assert fingerprint(relabelled, 5.0) == fingerprint(frames, 5.0)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 3], lambda _: b"", lambda b: b"x" * len(b)])
def test_damaged_cache_is_made_again(file, damage):
    frames = read_hdf5(file)
    expected = cached_lists(frames, CUTOFF, file).pairs.copy()
    (cache,) = (file.parent / FOLDER).iterdir()
    content = cache.read_bytes()
    cache.unlink()  # the first lists stay mapped
    cache.write_bytes(damage(content))
    np.testing.assert_array_equal(cached_lists(frames, CUTOFF, file).pairs, expected)


def _sum_of_lists(file: Path) -> int:
    return int(cached_lists(read_hdf5(file), CUTOFF, file).pairs.astype(np.int64).sum())


def test_two_processes_may_make_the_cache_at_once(file):
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        sums = set(pool.map(_sum_of_lists, [file] * 8))
    assert len(sums) == 1
    assert len(list((file.parent / FOLDER).iterdir())) == 1


def test_cache_of_data_in_a_folder_that_cannot_be_written_to(file, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert not graph_set(read_hdf5(file), limit=0).in_memory
    assert len(list((tmp_path / "home" / "lampion" / "neighbors").iterdir())) == 1


def test_frames_written_in_pieces_are_those_written_whole(tmp_path):
    """Pieces that know different elements are numbered alike in the end."""
    frames = trajectory(400).between(0, 25)
    first, second = frames.between(0, 10), argon.crystal_frames(3)
    write_stream([*first.chunks(40), *second.chunks(64)], tmp_path / "a.h5")
    back, whole = read_hdf5(tmp_path / "a.h5"), concatenate([first, second])
    assert back.type_names == whole.type_names == ("Ar", "C", "H", "O")
    for name in ("offsets", "types", "positions", "cell", "pbc", "energy", "forces", "step"):
        np.testing.assert_array_equal(getattr(back, name), getattr(whole, name))
    assert not [p for p in tmp_path.iterdir() if p.name != "a.h5"]


def test_joined_graphs_are_the_single_ones(file):
    graphs = graph_set(read_hdf5(file), limit=2**30)
    batch = join([graphs[3], graphs[0], graphs[7]])
    assert batch.frame_of_node.tolist() == [k for k, f in enumerate((3, 0, 7)) for _ in range(len(graphs[f].types))]
    start = len(graphs[3].types) + len(graphs[0].types)
    edges = graphs[3].edge_index.shape[1] + graphs[0].edge_index.shape[1]
    assert torch.equal(batch.edge_index[:, edges:], graphs[7].edge_index + start)
    assert torch.equal(batch.edge_vectors[edges:], graphs[7].edge_vectors)


def test_cut_file_is_refused(file):
    file.write_bytes(file.read_bytes()[:-5000])
    with pytest.raises(DataError, match="is not a readable HDF5 file"):
        read_hdf5(file)


LARGE = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from lampion.training.data.frames import Frames
from lampion.training.data.graphs import GraphSet
from lampion.training.data.hdf5 import read_hdf5, write_stream
from lampion.training.preparation.statistics import DataStatistics

n_frames, n, spare, folder = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) * 2**20, Path(sys.argv[4])
np.linalg.lstsq(np.ones((9, 3)) @ np.ones((3, 3)), np.ones(9), rcond=None)  # OpenBLAS takes its buffers once
status = Path("/proc/self/status").read_text()
used = int(status.split("VmData:")[1].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + spare, used + spare))

def pieces(size=100):
    rng = np.random.default_rng(0)
    grid = 4.0 * np.stack(np.meshgrid(*[np.arange(6)] * 3), axis=-1).reshape(-1, 3)[:n]
    for start in range(0, n_frames, size):
        yield Frames(("C",), np.arange(size + 1) * n, np.zeros(size * n, dtype=np.int64),
            np.tile(grid, (size, 1)) + rng.uniform(-0.1, 0.1, (size * n, 3)), np.zeros((size, 3, 3)),
            np.zeros((size, 3), dtype=bool), rng.normal(size=size), rng.normal(size=(size * n, 3)),
            np.arange(start, start + size))

path = folder / "frames.h5"
write_stream(pieces(), path)
frames = read_hdf5(path)
graphs = GraphSet(frames, 4.5, torch.float32, memory_limit=0)
statistics = DataStatistics.of(frames, graphs)
total = sum(float(graphs[i].forces.sum()) for i in range(0, n_frames, max(1, n_frames // 1000)))
print(path.stat().st_size, statistics.force_scale, graphs.n_edges, total)
"""


def run_in_little_memory(n_frames: int, n_atoms: int, spare_mib: int, folder: Path) -> int:
    """Write, read, list neighbours, take graphs, with that much memory beyond what the imports take; bytes written."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-W", "ignore", "-c", LARGE, *map(str, (n_frames, n_atoms, spare_mib, folder))]
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    size, scale, *_ = result.stdout.split()
    assert float(scale) == pytest.approx(1.0, rel=0.01)
    return int(size)


def test_frames_need_not_fit_in_memory(tmp_path):
    """A file of 45 MB is written, read and made into graphs with 24 MiB of memory to spare."""
    assert run_in_little_memory(4_000, 200, 24, tmp_path) > 1.7 * 24 * 2**20


@pytest.mark.slow
def test_a_million_frames_need_not_fit_in_memory(tmp_path):
    """1.2 GB of ten million atoms with 256 MiB to spare."""
    assert run_in_little_memory(1_000_000, 20, 256, tmp_path) > 4 * 256 * 2**20
