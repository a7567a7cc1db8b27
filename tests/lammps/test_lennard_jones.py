"""A Lennard-Jones of five lines, run by the plugin, is the native pair style: same numbers everywhere."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import lj
from stock_lmp import UNITS, Finished, System, crystal, script

Lmp = Callable[..., Finished]
RELATIVE = 1e-9


def native(units: str, n_types: int = 1) -> str:
    """`pair_style lj/cut` with the parameters of `lj.argon`."""
    length, energy = UNITS[units]
    model = lj.argon(n_types)
    lines = [f"pair_style lj/cut {lj.ARGON['cutoff'] / length:.17g}"]
    for a in range(n_types):
        for b in range(a, n_types):
            eps, sigma = float(model.epsilon[a, b]) / energy, float(model.sigma[a, b]) / length
            lines.append(f"pair_coeff {a + 1} {b + 1} {eps:.17g} {sigma:.17g}")
    return "\n".join(lines)


def learned(folder: Path, units: str, n_types: int = 1, scale: float = 1.0) -> str:
    """The same potential as a model file, energies multiplied by `scale`."""
    model = lj.argon(n_types)
    model.epsilon *= scale
    cutoff = lj.ARGON["cutoff"]
    if units == "lj":
        model, cutoff = lj.LennardJones(torch.ones(1, 1) * scale, torch.ones(1, 1)), cutoff / lj.ARGON["sigma"]
    names = ("Ar", "Ne", "Xe")[:n_types]
    lj.write_model(model, folder / "model.pt", names, cutoff, units="lj" if units == "lj" else "metal")
    return f"pair_style lampion\npair_coeff * * model.pt {' '.join(names)}"


def assert_same(got: Finished, expected: Finished, relative: float = RELATIVE) -> None:
    """Energy and pressure tensor of every printed step, and all per-atom columns of the last frame."""
    thermo = (("Step",), ("Atoms",), ("PotEng",), ("Press", "Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz"))
    per_atom = (("x", "y", "z"), ("fx", "fy", "fz"), ("c_e",), tuple(f"c_s[{k}]" for k in range(1, 7)))
    for a, b, groups in ((got.thermo(), expected.thermo(), thermo), (got.atoms(), expected.atoms(), per_atom)):
        for group in groups:
            scale = max(np.abs(b[key]).max() for key in group)
            for key in group:
                np.testing.assert_allclose(a[key], b[key], rtol=0, atol=relative * scale, err_msg=key)


def compare(lmp: Lmp, folder: Path, system: System, units: str = "metal", ranks: int = 1, **kwargs: str) -> Finished:
    n_types = int(system.types.max())
    system.write(folder, UNITS[units][0])
    expected = lmp(script(native(units, n_types), units, **kwargs), ranks)
    got = lmp(script(learned(folder, units, n_types), units, **kwargs), ranks)
    assert_same(got, expected)
    return got


@pytest.mark.parametrize("units", ["real", "metal", "lj"])
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("cells", [5, 10], ids=["500-atoms", "4000-atoms"])
def test_equals_the_native_pair_style(lmp: Lmp, tmp_path: Path, cells: int, ranks: int, units: str) -> None:
    compare(lmp, tmp_path, crystal(cells), units, ranks)


@pytest.mark.parametrize("units", ["si", "cgs", "electron", "micro", "nano"])
def test_equals_the_native_pair_style_in_every_unit_style(lmp: Lmp, tmp_path: Path, units: str) -> None:
    compare(lmp, tmp_path, crystal(4), units)


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(
    ("system", "boundary"),
    [
        (crystal(4, tilt=True), "p p p"),
        (crystal(1), "p p p"),
        (crystal(3), "f f f"),
        (crystal(3), "s s s"),
        (crystal(3), "p p f"),
        (crystal(3, n_types=2), "p p p"),
    ],
    ids=["triclinic", "box-smaller-than-the-cutoff", "free", "shrink-wrapped", "slab", "two-types"],
)
def test_equals_the_native_pair_style_in_any_box(
    lmp: Lmp, tmp_path: Path, system: System, boundary: str, ranks: int
) -> None:
    compare(lmp, tmp_path, system, ranks=ranks, boundary=boundary)


def test_rank_without_atoms_takes_part(lmp: Lmp, tmp_path: Path) -> None:
    corner = crystal(2)
    wide = System(corner.positions, np.array([100.0, 12.0, 12.0]), corner.types)
    got = compare(lmp, tmp_path, wide, ranks=2, boundary="f f f")
    assert "1 by 1 by 2" not in got.output, "the box must be cut across its empty half"


def test_two_atoms_out_of_reach_have_no_energy(lmp: Lmp, tmp_path: Path) -> None:
    apart = System(np.array([[5.0, 5, 5], [35.0, 5, 5]]), np.array([40.0, 10, 10]), np.array([1, 1]))
    apart.write(tmp_path, 1.0)
    got = lmp(script(learned(tmp_path, "metal"), boundary="f f f"))
    assert got.thermo()["PotEng"] == [0.0]


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(
    "motion",
    [
        "velocity all create 90 7 loop all\nfix 1 all npt temp 90 90 0.1 iso 3 3 1\nrun 100",
        "min_style cg\nminimize 0 1e-4 60 200",
    ],
    ids=["npt", "minimize"],
)
def test_motion_is_that_of_the_native_pair_style(lmp: Lmp, tmp_path: Path, motion: str, ranks: int) -> None:
    crystal(4).write(tmp_path, 1.0)
    expected = lmp(script(native("metal"), then=motion), ranks)
    got = lmp(script(learned(tmp_path, "metal"), then=motion), ranks)
    assert_same(got, expected, relative=1e-7)  # rounding grows along a trajectory


def test_names_in_pair_coeff_decide_not_their_order(lmp: Lmp, tmp_path: Path) -> None:
    system = crystal(3, n_types=2)
    system.write(tmp_path, 1.0)
    pair = learned(tmp_path, "metal", n_types=3)
    expected = lmp(script(pair.replace("Ar Ne Xe", "Xe Ar")))
    System(system.positions, system.box, 3 - system.types).write(tmp_path, 1.0)
    assert_same(lmp(script(pair.replace("Ar Ne Xe", "Ar Xe"))), expected, relative=1e-13)


@pytest.mark.parametrize("ranks", [1, 2])
def test_shares_a_box_with_another_pair_style(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    crystal(4, n_types=2).write(tmp_path, 1.0)
    expected = lmp(script(native("metal", 2)), ranks)
    learned(tmp_path, "metal")
    own, cross = native("metal", 2).splitlines()[3:1:-1]
    mixed = f"""pair_style hybrid lampion lj/cut {lj.ARGON["cutoff"]}
pair_coeff * * lampion model.pt Ar NULL
{cross.replace("1 2", "1 2 lj/cut")}
{own.replace("2 2", "2 2 lj/cut")}"""
    assert_same(lmp(script(mixed), ranks), expected)


def test_single_precision_is_single_precision(lmp: Lmp, tmp_path: Path) -> None:
    crystal(4).write(tmp_path, 1.0)
    expected = lmp(script(native("metal")))
    lj.write_model(lj.argon(), tmp_path / "model.pt", dtype=torch.float32)
    got = lmp(script("pair_style lampion\npair_coeff * * model.pt Ar"))
    assert_same(got, expected, relative=1e-5)
    # the sums over atoms are not: 256 floats would be summed to seven digits
    assert got.thermo()["PotEng"][-1] == pytest.approx(got.atoms()["c_e"].sum(), rel=1e-13)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_same(got, expected)


def test_comparison_would_notice_one_part_in_a_hundred_million(lmp: Lmp, tmp_path: Path) -> None:
    crystal(3).write(tmp_path, 1.0)
    expected = lmp(script(native("metal")))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_same(lmp(script(learned(tmp_path, "metal", scale=1 + 1e-8))), expected)
