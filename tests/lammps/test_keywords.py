"""The keywords of `pair_style lampion` change how a model is computed, and not what it gives."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import lj
from comparison import largest_difference
from stock_lmp import Finished, crystal, script

Lmp = Callable[..., Finished]
CUTOFF = 5.0
NAMES = ("Ar", "Kr")
ON_LAYERS = "states of ghost atoms are exchanged between layers; ghost shell 7\n"
ON_GHOSTS = "each MPI rank also computes the ghost atoms within 3 cutoffs (17); ghost shell 17\n"
FOLDED = "one MPI rank, periodic images folded onto their owners, so keyword exchange has no effect; ghost shell 7\n"


def write(folder: Path) -> None:
    crystal(4, n_types=2).write(folder, 1.0)
    lj.write_model(layered(), folder / "model.pt", NAMES, CUTOFF, 3)


def layered() -> lj.LayeredDensity:
    return lj.LayeredDensity(CUTOFF, len(NAMES))


def pair(keywords: str = "", model: str = "model.pt") -> str:
    return f"pair_style lampion {keywords}\npair_coeff * * {model} Ar Kr"


@pytest.mark.parametrize(
    ("keywords", "ranks", "said"),
    [
        ("exchange layer", 1, FOLDED),
        ("exchange ghost", 1, FOLDED),
        ("exchange auto", 2, ON_LAYERS),
        ("exchange layer", 2, ON_LAYERS),
        ("exchange ghost", 2, ON_GHOSTS),
        ("exchange ghost", 4, ON_GHOSTS),
    ],
)
def test_exchange_decides_the_way_and_not_the_result(
    lmp: Lmp, tmp_path: Path, keywords: str, ranks: int, said: str
) -> None:
    write(tmp_path)
    got = lmp(script(pair(keywords), then="run 0\nrun 0"), ranks)
    assert got.output.count(said) == 1
    assert largest_difference(got, lmp(script(pair()))) < 1e-10


def test_energies_of_one_layer_need_no_exchange(lmp: Lmp, tmp_path: Path) -> None:
    crystal(4, n_types=2).write(tmp_path, 1.0)
    lj.write_model(lj.argon(2), tmp_path / "model.pt", NAMES)
    assert "nothing is exchanged between layers; ghost shell 10.5" in lmp(script(pair("exchange ghost")), 2).output


@pytest.mark.parametrize("ranks", [1, 2])
def test_precision_casts_the_model(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    write(tmp_path)
    double = lmp(script(pair("precision float64")), ranks)
    single = lmp(script(pair("precision float32")), ranks)
    assert ", float64, device cpu, 1 thread(s)" in double.output
    assert ", float32 (cast from float64), device cpu" in single.output
    assert 1e-9 < largest_difference(single, double) < 1e-4
    lj.write_model(layered(), tmp_path / "single.pt", NAMES, CUTOFF, 3, dtype=torch.float32)
    assert largest_difference(lmp(script(pair(model="single.pt")), ranks), single) < 1e-5
    cast = lmp(script(pair("precision float64", "single.pt")), ranks)
    assert ", float64 (cast from float32), device cpu" in cast.output
    assert largest_difference(cast, double) < 1e-7  # the weights have been rounded


def test_pair_style_given_again_takes_the_new_keywords(lmp: Lmp, tmp_path: Path) -> None:
    write(tmp_path)
    expected = lmp(script(pair("precision float32")))
    got = lmp(script(pair(), then=f"run 0\n{pair('precision float32')}\nrun 0"))
    assert largest_difference(got, expected) == 0.0


def test_log_names_what_runs(lmp: Lmp, tmp_path: Path) -> None:
    write(tmp_path)
    output = lmp(script(pair())).output
    line = next(line for line in output.splitlines() if line.startswith("Lampion model"))
    assert line.startswith("Lampion model model.pt (fingerprint ")
    assert line.endswith(
        "): types Ar Kr, cutoff 5 in units metal, n_layers 3, float64, device cpu, 1 thread(s) per MPI rank"
    )


@pytest.mark.parametrize("ranks", [1, 2])
def test_bonded_pairs_stay_visible_under_a_long_range_solver(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    """Bonded atoms have no Coulomb energy between them, and all of the model's."""
    molecules = """
units metal
atom_style full
region all block 0 22 0 22 0 22
create_box 2 all bond/types 1 extra/bond/per/atom 8 extra/special/per/atom 40
create_atoms 1 random 20 7 all overlap 4 maxtry 500
create_atoms 2 random 20 8 all overlap 3 maxtry 500
mass * 40
set type 1 charge 0.1
set type 2 charge -0.1
bond_style zero
bond_coeff *
special_bonds lj/coul 0 0 0
pair_style lj/cut 8.5
pair_coeff * * 0.01 3.4
create_bonds many all all 1 3.0 3.8
"""
    solver = "special_bonds lj 1 1 1 coul 0 0 0\nkspace_style pppm 1e-6\n"
    ours = "pair_style hybrid/overlay lampion coul/long 9\npair_coeff * * lampion model.pt Ar Ar\n"
    theirs = "pair_style hybrid/overlay lj/cut 8.5 coul/long 9\npair_coeff * * lj/cut 0.0104 3.4\n"
    show = "pair_coeff * * coul/long\nthermo_style custom step pe pxx pyz\nthermo_modify format float %.17g\nrun 0\n"
    lj.write_model(lj.argon(), tmp_path / "model.pt")
    expected = lmp(molecules + solver + theirs + show, ranks)
    none_of_both = solver.replace("lj 1 1 1 coul 0 0 0", "lj/coul 0 0 0")
    for bonds in (solver, none_of_both):
        got = lmp(molecules + bonds + ours + show, ranks)
        for key in ("PotEng", "Pxx", "Pyz"):
            np.testing.assert_allclose(got.thermo()[key], expected.thermo()[key], rtol=1e-9)
