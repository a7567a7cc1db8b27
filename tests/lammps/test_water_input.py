"""The shipped inputs of water: molecules stay whole, forces are derivatives, bonds hide no pair from a model."""

import numpy as np
import pytest
from ase import Atoms

import lj
from lampion.analysis.run import load_run
from lampion.deploy.calculator import LampionCalculator
from lampion.pipeline import work
from lampion.pipeline.lmp.runner import run_lammps
from lampion.pipeline.shipped import shipped_path
from lampion.training.preparation.datasets import read_frames
from timesteps import law_of
from water import Water


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Folder of a run that is a fifth of the published one's start, and a hundredth of the rest."""
    folder = tmp_path_factory.mktemp("water") / "reference"
    script = shipped_path("lammps_inputs/water/reference.in")
    result = run_lammps(script, folder=folder, variables={"equilibrate": 4000, "every": 100, "frames": 10})
    assert result.ending.ok, result.ending
    work.convert(folder / "water.dump", folder / "log.lammps", folder / "frames.h5")
    return folder


def frame(frames, k):
    """As ASE has it."""
    rows = frames.atoms_of(k)
    symbols = [frames.type_names[index] for index in frames.types[rows]]
    return Atoms(symbols, frames.positions[rows], cell=frames.cell[k], pbc=True)


def test_frames_are_labelled_liquids_of_whole_molecules(reference):
    frames = read_frames(reference / "frames.h5")
    assert len(frames) == 2 * 10 + 1
    assert frames.stress is not None
    for k in (0, 10, 20):
        atoms = frame(frames, k)
        oxygen = np.array(atoms.symbols) == "O"
        distances = atoms.get_all_distances(mic=True)[oxygen][:, ~oxygen]
        assert np.all((distances < 1.3).sum(1) == 2)
        assert np.all(np.sort(distances, axis=1)[:, 2] > 1.4)  # a hydrogen bond is no bond
        assert atoms.get_masses().sum() / atoms.get_volume() * 1.66054 == pytest.approx(1.0, abs=0.01)  # g/cm³


def test_the_reference_conserves_energy_by_the_square_of_the_time_step(reference, tmp_path):
    script = shipped_path("lammps_inputs/water/md-reference.in")
    law = law_of(script, tmp_path, (0.25, 0.5, 1.0), 250, {"start": str(reference / "water.data"), "every": 1})
    assert law.deviation < 0.2


def test_a_model_sees_the_pairs_that_are_bonded(reference, tmp_path):
    model = lj.write_model(Water(4.5), tmp_path / "model.pt", ("H", "O"), cutoff=5.0)
    given = {"model": str(model), "start": str(reference / "water.data"), "steps": 0, "every": 1}
    result = run_lammps(shipped_path("lammps_inputs/water/md.in"), folder=tmp_path / "md", variables=given)
    assert result.ending.ok, result.ending
    atoms = frame(read_frames(reference / "frames.h5"), 20)
    atoms.calc = LampionCalculator(model)
    energies = load_run(tmp_path / "md").thermo.columns["PotEng"]
    assert energies == pytest.approx([atoms.get_potential_energy()], rel=1e-7)  # eV, from kcal/mol of the log
