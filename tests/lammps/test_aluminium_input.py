"""The shipped inputs of aluminium: what reference.in heats melts, and its potential obeys the dt² law."""

import numpy as np
import pytest

from lampion.pipeline import work
from lampion.pipeline.lmp.runner import run_lammps
from lampion.pipeline.shipped import shipped_path
from lampion.training.preparation.datasets import read_frames
from timesteps import law_of

EVERY, FRAMES = 100, 25


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Folder of a run that heats twenty times faster than the published one."""
    folder = tmp_path_factory.mktemp("aluminium") / "reference"
    script = shipped_path("lammps_inputs/aluminium/reference.in")
    result = run_lammps(script, folder=folder, variables={"every": EVERY, "frames": FRAMES})
    assert result.ending.ok, result.ending
    return folder


def test_frames_go_from_a_cold_crystal_to_a_liquid(reference):
    work.convert(reference / "aluminium.dump", reference / "log.lammps", reference / "frames.h5")
    frames = read_frames(reference / "frames.h5")
    assert len(frames) == 2 * FRAMES + 1
    assert len(frames.types) == 256 * len(frames)
    assert np.all(np.diff(frames.energy[:3]) > 0)
    displaced = [np.linalg.norm(moved(frames, k), axis=1).mean() for k in (1, len(frames) - 1)]
    assert displaced[0] < 0.2  # Å, of a crystal near its sites
    assert displaced[1] > 1.5  # half a distance of neighbours, of a liquid


def moved(frames, k):
    """Displacements since the first frame, nearest images, in the units of each frame's box."""
    first, last = (frames.positions[frames.atoms_of(index)] @ np.linalg.inv(frames.cell[index]) for index in (0, k))
    way = last - first
    return (way - np.round(way)) @ frames.cell[k]


def test_the_potential_conserves_energy_by_the_square_of_the_time_step(reference, tmp_path):
    script = shipped_path("lammps_inputs/aluminium/md-reference.in")
    law = law_of(script, tmp_path, (1, 2, 4, 8), 1600, {"start": str(reference / "aluminium.data"), "every": 2})
    assert law.deviation < 0.2
