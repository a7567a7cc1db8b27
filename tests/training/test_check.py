"""What `lampion data check` sees: labels that belong together pass, each kind of wrong one is refused or named."""

from dataclasses import replace

import numpy as np
import pytest

import argon
from lampion.training.checks.consistency import consistency, differences
from lampion.training.checks.duplicates import find_duplicates
from lampion.training.checks.findings import Report, examine, require_sane
from lampion.training.checks.plausibility import bond_stiffness, energy_problem, stiffness_problem
from lampion.training.checks.stress_sign import stress_evidence
from lampion.training.data.frames import Frames, concatenate
from lampion.training.errors import DataError
from lampion.training.labels.file_units import ENERGY, LENGTH
from lampion.training.labels.read_options import ReadOptions
from lampion.training.labels.sources import read_frames
from molecule import BOND, trajectory
from shared_data import shared_data

KCAL = 1 / ENERGY["kcal/mol"]


def shuffled(frames: Frames) -> Frames:
    return frames.select(np.random.default_rng(1).permutation(len(frames)))


def sparse(frames: Frames) -> Frames:
    """Frames too far apart to follow each other."""
    return frames.select(np.arange(0, len(frames), 10))


def scaled(frames: Frames, energy: float = 1.0, forces: float = 1.0) -> Frames:
    return replace(frames, energy=frames.energy * energy, forces=frames.forces * forces)


def findings(report: Report, what: str) -> list[tuple[str, str]]:
    return [(finding.verdict, finding.text) for finding in report.findings if finding.what == what]


# -- energies against forces ------------------------------------------------------------------------------------------


def test_consistent_labels_pass_and_their_error_falls_with_the_square_of_the_step():
    """Both sides of the law differ by O(Δ³), the energy difference is O(Δ): the ratio is O(Δ²)."""
    fine = trajectory(800, 0.25)
    errors = [consistency(differences(fine.select(np.arange(0, 800, skip)))).error for skip in (1, 2, 4)]
    assert errors[2] < 0.1
    assert errors[1] / errors[0] == pytest.approx(4, rel=0.2)
    assert errors[2] / errors[1] == pytest.approx(4, rel=0.2)


@pytest.mark.parametrize(
    ("energy", "forces", "cause"),
    [
        (KCAL, 1, "23.*energies are in kcal/mol, forces in eV/Å"),
        (1, KCAL, "0.043.*forces are in kcal/mol/Å, energies in eV"),
        (1, -1, "-.* times the work.*the forces are gradients: change their sign"),
        (1, LENGTH["bohr"], "1.8.*forces are in eV/bohr"),
        (1, LENGTH["bohr"] / ENERGY["Ha"], "51.*forces are in Ha/bohr"),
        (1 / ENERGY["Ha"], 1, "0.0367.*energies are in Ha"),
    ],
)
def test_labels_in_two_units_are_refused_with_the_cause(energy, forces, cause):
    with pytest.raises(DataError, match=f"consecutive frames energies change by {cause}"):
        require_sane(scaled(trajectory(), energy, forces), "a.h5")


def test_energies_of_other_frames_are_refused():
    frames = trajectory()
    wrong = replace(frames, energy=np.random.default_rng(0).permutation(frames.energy))
    with pytest.raises(DataError, match="the energies do not follow the work of the forces"):
        require_sane(wrong, "a.h5")


def test_energies_rounded_to_single_precision_are_not_judged_by_their_noise():
    """Steps so small that only rounding is left of the energy differences: no correlation, and no verdict."""
    frames = trajectory(800, 0.25).between(0, 40)
    still = replace(frames, positions=np.tile(frames.positions[:9], (40, 1)) + 1e-6 * frames.forces)
    rounded = replace(still, energy=(frames.energy * 0 + frames.energy[0] + 1e-5 * np.arange(40)).astype(np.float32))
    assert consistency(differences(replace(rounded, energy=rounded.energy.astype(np.float64)))) is None


def test_shuffled_frames_are_not_judged():
    ((verdict, text),) = findings(examine(sparse(shuffled(trajectory()))), "consistency")
    assert verdict == "-"
    assert "not consecutive" in text


def test_periodic_frames_are_compared_across_the_boundary():
    """An atom that leaves the box and enters on the other side has moved little."""
    rng = np.random.default_rng(0)
    first = argon.crystal_frames(1, seed=3)
    parts = []
    for k in range(12):
        moved = replace(first, positions=first.positions + 0.004 * k * rng.normal(size=first.positions.shape))
        parts.append(argon.smooth_lj(replace(moved, energy=np.zeros(1), forces=np.zeros_like(moved.forces))))
    frames = concatenate(parts)
    inside = np.linalg.solve(frames.cell[0].T, frames.positions.T).T % 1.0
    wrapped = replace(frames, positions=inside @ frames.cell[0])
    assert np.abs(wrapped.positions - frames.positions).max() > 5
    assert consistency(differences(wrapped)).error == pytest.approx(consistency(differences(frames)).error, rel=1e-6)
    assert consistency(differences(wrapped)).factor == pytest.approx(1, abs=0.05)


# -- size of the numbers ----------------------------------------------------------------------------------------------


def test_bond_stiffness_is_that_of_the_surface():
    """The slope of the force on the length is k to within what the other springs and anharmonicity add."""
    found = {s.bond: s.constant for s in bond_stiffness(trajectory())}
    assert found.keys() == {"C-H", "H-O"}
    for bond, constant in found.items():
        assert constant == pytest.approx(BOND[bond], rel=0.35)


@pytest.mark.parametrize(("unit", "hint"), [("kcal/mol", "fit kcal/mol"), ("kJ/mol", "fit kJ/mol"), ("Ha", "fit Ha")])
def test_a_unit_common_to_energies_and_forces_is_seen_in_the_springs(unit, hint):
    frames = trajectory()
    factor = 1 / ENERGY[unit]
    wrong = scaled(replace(frames, energy=frames.energy - frames.energy.mean()), factor, factor)
    assert consistency(differences(wrong)).factor == pytest.approx(1, abs=0.05)  # the negative control
    with pytest.raises(DataError, match=rf"springs of [\d.]+ eV/Å².*these numbers {hint}"):
        require_sane(wrong, "a.h5")


def test_no_energy_lies_below_thomas_fermi():
    frames = trajectory()
    assert energy_problem(frames) is None
    assert "times the Thomas-Fermi energy" in energy_problem(scaled(frames, KCAL, KCAL))


def test_energies_of_pseudo_atoms_and_unknown_types_are_not_judged_by_it():
    frames = trajectory()
    assert energy_problem(replace(frames, energy=frames.energy - frames.energy.mean())) is None
    assert energy_problem(replace(scaled(frames, KCAL), type_names=("a", "b", "c"))) is None


# -- stress -----------------------------------------------------------------------------------------------------------


def strained_crystal(n: int = 12) -> Frames:
    """One argon crystal under small strains one after the other, its stress by central differences of the energy."""
    frames = argon.crystal_frames(1, seed=2)
    rng, parts = np.random.default_rng(0), []
    strain = np.zeros((3, 3))
    for _ in range(n):
        step = 0.004 * rng.normal(size=(3, 3))
        strain = strain + step + step.T
        parts.append(deformed(frames, np.eye(3) + strain))
    return concatenate(parts)


def deformed(frames: Frames, map_: np.ndarray, *, label_stress: bool = True) -> Frames:
    moved = replace(
        frames, positions=frames.positions @ map_, cell=frames.cell @ map_, energy=np.zeros(1),
        forces=np.zeros_like(frames.forces),
    )  # fmt: skip
    labelled = argon.smooth_lj(moved)
    if not label_stress:
        return labelled
    stress, h = np.zeros((1, 3, 3)), 1e-4
    for a, b in np.ndindex(3, 3):
        small = np.zeros((3, 3))
        small[a, b] += h / 2
        small[b, a] += h / 2
        up, down = (deformed(labelled, np.eye(3) + sign * small, label_stress=False).energy[0] for sign in (1, -1))
        stress[0, a, b] = (up - down) / (2 * h) / np.linalg.det(labelled.cell[0])
    return replace(labelled, stress=stress)


def evidence(frames: Frames) -> dict[str, tuple[float, str | None]]:
    return {e.way: (e.factor, e.problem) for e in stress_evidence(frames, differences(frames))}


def test_stress_of_strained_frames_has_the_factor_one():
    factor, problem = evidence(strained_crystal())["strain energy"]
    assert factor == pytest.approx(1, abs=0.02)
    assert problem is None


@pytest.mark.parametrize("order", [lambda frames: frames, shuffled], ids=["in order", "shuffled"])
def test_positive_stress_is_refused(order):
    frames = strained_crystal()
    wrong = order(replace(frames, stress=-frames.stress))
    with pytest.raises(DataError, match=r"wrong sign: positive under compression.*--compression-positive"):
        require_sane(wrong, "a.h5")


def test_stress_in_another_unit_is_refused():
    frames = strained_crystal()
    with pytest.raises(DataError, match=r"the stress is 16\d times what the energies and forces imply"):
        require_sane(replace(frames, stress=frames.stress * 160.2), "a.h5")


def boxed_molecule(sign: float) -> Frames:
    """The molecule in a large box with the exact stress of a cluster, -Σ r ⊗ F / V."""
    frames = sparse(trajectory())
    n = len(frames)
    virial = [frames.positions[s].T @ frames.forces[s] for s in map(frames.atoms_of, range(n))]
    cell = np.tile(20.0 * np.eye(3), (n, 1, 1))
    return replace(frames, cell=cell, pbc=np.ones((n, 3), dtype=bool), stress=-sign * np.stack(virial) / 20.0**3)


def test_stress_of_a_cluster_in_a_box_is_known_exactly():
    factor, problem = evidence(boxed_molecule(1))["cluster virial"]
    assert factor == pytest.approx(1, abs=1e-10)
    assert problem is None
    assert "wrong sign" in evidence(boxed_molecule(-1))["cluster virial"][1]


def test_tension_rises_with_the_volume():
    """Crystals without a common history: only the trend over volumes is left."""
    frames = argon.crystal_frames(12)
    one = [deformed(frames.select([f]), np.eye(3)) for f in range(12)]
    assert evidence(concatenate(one))["bulk modulus"] == (1.0, None)
    wrong = concatenate([replace(part, stress=-part.stress) for part in one])
    assert "by bulk modulus (correlation -0." in evidence(wrong)["bulk modulus"][1]
    ((verdict, text),) = findings(examine(wrong), "stress")
    assert verdict == "warning"
    assert "wrong sign" in text


def test_stress_at_one_volume_is_not_judged():
    frames = argon.crystal_frames(1, seed=4)
    alone = replace(concatenate([frames, frames]), stress=np.ones((2, 3, 3)))
    assert evidence(alone) == {}
    assert findings(examine(alone), "stress")[0][0] == "-"


# -- duplicates, outliers, zeros, distances ----------------------------------------------------------------------------


def test_turned_moved_and_renumbered_frames_are_found():
    frames = sparse(trajectory())
    first = frames.select([0])
    angle = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    turned = replace(first, positions=first.positions @ angle + 3.0, forces=first.forces @ angle)
    swap = np.array([0, 1, 2, 4, 3, 5, 6, 7, 8])
    renumbered = replace(first, positions=first.positions[swap], forces=first.forces[swap], types=first.types[swap])
    found = find_duplicates(concatenate([frames, first, turned, renumbered]))
    n = len(frames)
    assert found.exact == [(0, n)]
    assert {later for _, later in found.near} <= {n, n + 1, n + 2}
    assert found.near
    assert find_duplicates(frames).near == []


def test_one_geometry_with_two_labels_is_refused():
    frames = sparse(trajectory())
    other = frames.select([3])
    other.forces[0] += 0.1
    with pytest.raises(DataError, match=f"the same positions have different labels in 3 = {len(frames)}"):
        require_sane(concatenate([frames, other]), "a.h5")


def test_wild_energies_and_forces_are_named():
    frames = sparse(trajectory())
    wild = replace(frames, energy=frames.energy.copy(), forces=frames.forces.copy())
    wild.energy[7] += 30.0
    wild.forces[frames.atoms_of(11).start] += 90.0
    ((verdict, text),) = findings(examine(wild), "outliers")
    assert verdict == "warning"
    assert "frame 7 energy" in text
    assert "frame 11 force on C" in text
    assert findings(examine(frames), "outliers") == [("ok", "none beyond z = 10")]


def test_many_outliers_do_not_hide_each_other():
    """The reason for medians: with a mean and a standard deviation no z could exceed 10 here."""
    frames = sparse(trajectory())
    wild = replace(frames, energy=frames.energy.copy())
    wild.energy[::8] += 100.0
    ((_, text),) = findings(examine(wild), "outliers")
    assert text.startswith(f"{len(wild.energy[::8])} beyond")


def test_zero_labels_are_refused():
    frames = sparse(trajectory())
    for field, name in (("energy", "energy"), ("forces", "force")):
        with pytest.raises(DataError, match=f"every {name} is zero"):
            require_sane(replace(frames, **{field: np.zeros_like(getattr(frames, field))}), "a.h5")
    with pytest.raises(DataError, match="every stress is zero; convert without it: --stress-key none"):
        require_sane(replace(frames, stress=np.zeros((len(frames), 3, 3))), "a.h5")
    still = replace(frames, forces=frames.forces.copy())
    still.forces[frames.atoms_of(2)] = 0.0
    assert findings(examine(still), "zero labels") == [
        ("warning", "all forces are zero in frame 2; right for perfect crystals only")
    ]


def test_lengths_in_other_units_are_seen():
    frames = sparse(trajectory())
    bohr = replace(frames, positions=frames.positions / LENGTH["bohr"])
    assert "positions in bohr?" in findings(examine(bohr), "distances")[0][1]
    with pytest.raises(DataError, match="overlapping atoms or wrong length units"):
        require_sane(replace(frames, positions=frames.positions / 10), "a.h5")


def test_forces_that_push_the_whole_molecule_are_named():
    frames = sparse(trajectory())
    ((verdict, text),) = findings(examine(replace(frames, forces=frames.forces + 0.5)), "net force")
    assert verdict == "warning"
    assert "no energy has such forces" in text
    assert findings(examine(frames), "net force")[0][0] == "ok"


# -- real data --------------------------------------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    ["rmd17/ethanol.extxyz.xz", "botnet/acac_test_MD_300K.xyz.xz", "botnet/3BPA_train_300K.xyz.xz"],
)
def test_published_molecules_pass_in_ev_and_are_refused_in_kcal(name):
    frames = read_frames(shared_data(name)).between(0, 400)
    assert not examine(frames).refusals
    wrong = scaled(replace(frames, energy=frames.energy - frames.energy.mean()), KCAL, KCAL)
    assert "fit kcal/mol" in stiffness_problem(bond_stiffness(wrong))
    assert "Thomas-Fermi" in energy_problem(scaled(frames, KCAL, KCAL))


@pytest.mark.shared
def test_published_trajectory_is_consistent_and_a_mixed_one_is_not():
    frames = read_frames(shared_data("md17_sequential/ethanol_first2000.extxyz.xz"))
    verdict = consistency(differences(frames))
    assert verdict.n == 1999
    assert verdict.error < 0.03
    assert verdict.factor == pytest.approx(1, abs=0.01)
    with pytest.raises(DataError, match="energies are in kcal/mol, forces in eV/Å"):
        require_sane(scaled(frames.between(0, 300), KCAL, 1), "md17")


@pytest.mark.shared
def test_published_stress_is_refused_as_written_and_passes_as_compression():
    path, key = shared_data("copper/cu_vasp_pbe.extxyz.xz"), "stress_kbar_voigt_xx_yy_zz_xy_yz_xz"
    frames = read_frames(path, ReadOptions(stress_key=key, stress_unit="kbar"))
    with pytest.raises(DataError, match="wrong sign: positive under compression"):
        require_sane(frames, "copper")
    assert not examine(replace(frames, stress=-frames.stress)).refusals
    with pytest.raises(DataError, match=r"the stress is [\d.]+ times what the energies and forces imply"):
        require_sane(replace(frames, stress=-10 * frames.stress), "copper")
