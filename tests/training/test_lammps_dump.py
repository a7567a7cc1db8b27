"""The dump reader: what it returns, and one clear error for every damaged file."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lampion.training.errors import DataError
from lampion.training.labels.lammps_dump import read_dump

HEADER = "ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{n}\nITEM: BOX BOUNDS pp pp ff\n-1 9\n0 10\n0 20\n"
COLUMNS = "ITEM: ATOMS id type element x y z fx fy fz\n"


def dump_text(n_frames: int = 3, n_atoms: int = 4) -> str:
    """A healthy dump whose numbers are known: atom k sits at k + 0.123456789012."""
    frames = []
    for frame in range(n_frames):
        rows = [
            f"{k} 1 Ar {k + 0.123456789012} 2.5 3.5 {0.1234567890123 * k:.17g} {1 / 3:.17g} -1e-3\n"
            for k in range(n_atoms, 0, -1)
        ]
        frames.append(HEADER.format(step=100 * frame, n=n_atoms) + COLUMNS + "".join(rows))
    return "".join(frames)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def _write(text: str) -> Path:
        path = tmp_path / "a.dump"
        path.write_text(text)
        return path

    return _write


def test_atoms_come_sorted_by_id_in_double_precision(write):
    frames = list(read_dump(write(dump_text())))
    assert [frame.step for frame in frames] == [0, 100, 200]
    np.testing.assert_array_equal(frames[0].columns["id"], [1, 2, 3, 4])
    np.testing.assert_array_equal(frames[0].columns["x"], np.arange(1, 5) + 0.123456789012)
    assert frames[0].columns["element"].tolist() == ["Ar"] * 4
    assert frames[0].pbc == (True, True, False)
    np.testing.assert_array_equal(frames[0].origin, [-1, 0, 0])
    np.testing.assert_array_equal(frames[0].cell, np.diag([10.0, 10, 20]))


def test_gzip_is_read_alike(tmp_path, write):
    path = tmp_path / "a.dump.gz"
    path.write_bytes(gzip.compress(dump_text().encode()))
    plain = list(read_dump(write(dump_text())))
    for packed, frame in zip(read_dump(path), plain, strict=True):
        np.testing.assert_array_equal(packed.columns["fx"], frame.columns["fx"])


def test_tilted_box_is_recovered_from_its_bounding_box(write):
    """https://docs.lammps.org/Howto_triclinic.html: xlo_bound = xlo + min(0, xy, xz, xy+xz), and so on."""
    box = "ITEM: BOX BOUNDS xy xz yz pp pp pp\n-2 12 1\n-3 10 -2\n0 20 -3\n"
    text = dump_text(1).replace("ITEM: BOX BOUNDS pp pp ff\n-1 9\n0 10\n0 20\n", box)
    (frame,) = read_dump(write(text))
    np.testing.assert_allclose(frame.cell, [[11, 0, 0], [1, 10, 0], [-2, -3, 20]])
    np.testing.assert_allclose(frame.origin, [0, 0, 0])


def broken(old: str, new: str, count: int = 1) -> str:
    text = dump_text()
    assert old in text
    return text.replace(old, new, count)


DAMAGED = {
    "empty": ("", "is empty; expected a LAMMPS dump"),
    "html": ("<html>\n", "expected 'ITEM: TIMESTEP', got '<html>'.*not LAMMPS"),
    "units header": ("ITEM: UNITS\nmetal\n" + dump_text(), "without `dump_modify units/time yes`"),
    "cut between lines": (dump_text()[: dump_text().rindex("1 1 Ar")], r"frame 2 \(step 200\).*atom 4 of 4.*killed"),
    "cut within a line": (dump_text()[:-9], r"frame 2 \(step 200\): the last line is cut off"),
    "cut in the header": (
        dump_text()[: dump_text().rindex("ITEM: NUMBER")],
        "the file ends where ITEM: NUMBER OF ATOMS",
    ),
    "a line lost": (broken("3 1 Ar 3.123456789012", "#", 1).replace("#", "", 1), "columns where the header names 9"),
    "an atom lost": (
        "".join(line for k, line in enumerate(dump_text().splitlines(True)) if k != 10),
        "3 of 4 atoms, then the next frame",
    ),
    "duplicate id": (broken("4 1 Ar", "3 1 Ar"), r"a.dump:13: frame 0 \(step 0\): atom id 3 appears 2 times"),
    "forces missing": (broken(" fx fy fz\n", " vx vy vz\n", 3), "columns fx fy fz are missing"),
    "scaled": (broken("x y z", "xs ys zs", 3), "columns x y z are missing.*xs ys zs will not do"),
    "not a number": (broken("2.5", "abc"), "column y: could not convert string to float: .*abc"),
    "atoms lost": (dump_text(1, 4) + dump_text(1, 3), "3 atoms where the frames before have 4.*lost or added"),
    "junk step": (broken("\n100\n", "\nhundred\n"), r"expected 1 numbers \(time step\), got 'hundred'"),
}


@pytest.mark.parametrize(("text", "message"), DAMAGED.values(), ids=list(DAMAGED))
def test_damage_is_named_with_its_place(write, text, message):
    path = write(text)
    with pytest.raises(DataError, match=message) as caught:
        list(read_dump(path))
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 3


def test_cut_gzip(tmp_path):
    path = tmp_path / "a.dump.gz"
    path.write_bytes(gzip.compress(dump_text(300).encode())[:-500])
    with pytest.raises(DataError, match="damaged or cut off"):
        list(read_dump(path))


def test_binary_junk(tmp_path):
    path = tmp_path / "a.dump"
    path.write_bytes(bytes(range(128, 256)) * 10)
    with pytest.raises(DataError, match="damaged or cut off"):
        list(read_dump(path))


def test_huge_number_of_atoms_needs_no_memory(write):
    with pytest.raises(DataError, match=r"atom 5 of 1000000000000|4 of 1000000000000"):
        list(read_dump(write(broken("\n4\n", "\n1000000000000\n"))))


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"none\.dump: no such file"):
        list(read_dump(tmp_path / "none.dump"))
