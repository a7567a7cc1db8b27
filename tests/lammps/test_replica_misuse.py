"""fix lampion/replicas refuses what it cannot watch, on all ranks, with a sentence that says what to write."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from replicas import INVISIBLE, Replicas, script
from stock_lmp import Finished

Lmp = Callable[..., Finished]
FREE = "pair_style zero 3.0\npair_coeff * *"
WATCH = "fix watch all lampion/replicas elements H O "
WATER = np.array([[30.0, 30, 30], [30.96, 30, 30], [29.76, 30.93, 30]])
BOX = Replicas(["O", "H", "H"], np.tile(WATER, (2, 1, 1)), np.zeros((2, 3, 3)))
SKEWED = "change_box all triclinic\n"
NUMBERED = "number the atoms so that replica r = 1, 2, ... is molecule r and has the ids (r-1)*n+1 .. r*n"


def refused(lmp: Lmp, text: str, ranks: int = 1) -> str:
    output = lmp(text, ranks, good=False).output
    return next(line for line in output.splitlines() if "ERROR" in line)


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(
    ("molecules", "ids", "said"),
    [
        ([1, 1, 1, 0, 0, 0], None, "atom 4 has no molecule id"),
        ([1, 1, 1, 1, 2, 2], None, "atom 4 of molecule 1 is not in its place among replicas of 3 atoms"),
        ([1, 1, 2, 2, 3, 4], None, "6 atoms do not make 4 equal replicas"),
        (None, [1, 2, 3, 4, 5, 7], "atom 7 of molecule 2 is not in its place"),
        (None, [1, 2, 4, 3, 5, 6], "atom 3 of molecule 2 is not in its place"),
        (None, [1, 2, 3, 5, 4, 6], "atom 4 has type 1, but atom 1 of the first replica has type 2"),
    ],
)
def test_atoms_out_of_order(
    lmp: Lmp, tmp_path: Path, molecules: list[int] | None, ids: list[int] | None, said: str, ranks: int
) -> None:
    BOX.write(tmp_path, molecules, ids)
    error = refused(lmp, script(FREE, WATCH, "run 1"), ranks)
    assert f"ERROR: fix lampion/replicas: {said}" in error
    assert NUMBERED in error or "with their atoms in the same order" in error


@pytest.mark.parametrize(
    ("watch", "said"),
    [
        ("fix watch all lampion/replicas", "needs the elements, one per atom type; write: fix watch all lampion/rep"),
        ("fix watch all lampion/replicas elements H", "keyword elements needs a value"),
        ("fix watch all lampion/replicas elements H every 5", "needs 2 names, one per atom type: 'every' is no"),
        (WATCH + "forces 5", "has no keyword 'forces'; its keywords are elements, break, distance"),
        (WATCH + "force", "keyword force needs a value"),
        (WATCH + "force -1", "force must be positive"),
        (WATCH + "every 0", "every must be 1 or more"),
        (WATCH + "every two", "Expected integer parameter instead of 'two'"),
        (WATCH + "every 3 record r.txt", "record_every 20 is no multiple of every 3"),
        (WATCH + "every 3 keep 2 4 last", "steps of keep 4 is no multiple of every 3"),
        (WATCH + "record nowhere/record.txt", "cannot write nowhere/record.txt: No such file or directory; is there"),
        (WATCH + "\nfix again all lampion/replicas elements H O", "There may be one fix lampion/replicas only"),
        ("group one id 1\nfix watch one lampion/replicas elements H O", "watches every atom; write: fix watch all"),
        (WATCH + "\nrun_style respa 2 2", "looks at the forces of whole steps; write: run_style verlet"),
        (SKEWED + WATCH, "needs an orthogonal box"),
        (WATCH + "\nchange_box all boundary s p p", "cannot follow a box that shrink-wraps; write: boundary p p p"),
    ],
)
def test_wrong_words(lmp: Lmp, tmp_path: Path, watch: str, said: str) -> None:
    BOX.write(tmp_path)
    assert said in refused(lmp, script(FREE, watch, "run 1"))


@pytest.mark.parametrize("ranks", [1, 2])
def test_files_that_cannot_be_written(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    BOX.write(tmp_path)
    (tmp_path / "failed.txt").mkdir()
    error = refused(lmp, script(FREE, WATCH + "failures failed.txt", "run 1"), ranks)
    assert "ERROR: fix lampion/replicas cannot write failed.txt: Is a directory" in error


@pytest.mark.parametrize("exclude", ["", INVISIBLE.replace("all", "some"), INVISIBLE.replace("inter", "intra")])
def test_replicas_that_see_each_other(lmp: Lmp, tmp_path: Path, exclude: str) -> None:
    BOX.write(tmp_path)
    text = script(FREE, "group some id 1 2\n" + WATCH, f"{exclude}\nrun 1", exclude="")
    assert "Replicas must not see each other; write: neigh_modify exclude molecule/inter all" in refused(lmp, text)


def test_atoms_without_molecules(lmp: Lmp, tmp_path: Path) -> None:
    BOX.write(tmp_path)
    lines = (tmp_path / "start.data").read_text().replace("# molecular", "# atomic").splitlines()
    lines = [" ".join(w[:1] + w[2:]) if len(w := line.split()) == 6 else line for line in lines]
    (tmp_path / "start.data").write_text("\n".join(lines) + "\n")
    text = script(FREE, WATCH, "run 1", exclude="").replace("atom_style molecular", "atom_style atomic")
    assert "tells replicas by molecule ids; write: atom_style molecular (or full)" in refused(lmp, text)


def test_reduced_units(lmp: Lmp, tmp_path: Path) -> None:
    BOX.write(tmp_path)
    text = script(FREE, WATCH, "run 1").replace("units metal", "units lj")
    assert "covalent radii have no meaning in units lj; write: units metal" in refused(lmp, text)


def test_somebody_elses_record_is_not_overwritten_on_resuming(lmp: Lmp, tmp_path: Path) -> None:
    BOX.write(tmp_path)
    watch = WATCH + "record record.txt"
    lmp(script(FREE, watch, "run 5\nwrite_restart save"))
    (tmp_path / "record.txt").write_text("time pressure\n0 1\n")
    again = script(FREE, watch, "run 5").replace("read_data start.data", "read_restart save")
    again = "\n".join(line for line in again.splitlines() if not line.startswith(("units", "atom_style", "boundary")))
    assert "record.txt was written by something else; move it away" in refused(lmp, again)
    assert (tmp_path / "record.txt").read_text() == "time pressure\n0 1\n"
