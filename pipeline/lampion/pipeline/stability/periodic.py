"""Replicas of a periodic system: each in a box and a run of its own, their records put together for the verdict."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from lampion.analysis.errors import RunError
from lampion.analysis.fragments import BOND_FACTOR, radius_sums, unwrapped
from lampion.analysis.stability import PRESETS
from lampion.deploy.modelfile import Manifest
from lampion.pipeline.stability.folder import Folder
from lampion.pipeline.stability.layout import velocity_rows, write_data
from lampion.training.errors import DataError
from lampion.training.files import atomic_path

Array = NDArray[np.float64]
#: steps between two looks at the distances: their number is the square of that of the atoms
LOOK_EVERY = 10
_BROKEN = PRESETS["lampion"].broken
#: of each file of rows, the column of the replica
_FILES = {"record.txt": 1, "failures.txt": 0}


def require_boxes(systems: Sequence[Atoms], source: Path) -> None:
    """Refuse cells that the watch cannot judge.

    Raises:
        DataError: not periodic along all axes, skewed, or smaller than twice the distance at which a bond breaks.
    """
    reach = 2 * _BROKEN * float(radius_sums(np.array(systems[0].get_chemical_symbols())).max())
    for number, atoms in enumerate(systems):
        if not atoms.pbc.all():
            raise DataError(f"{source}: frame {number} is not periodic along all axes: neither a molecule nor a bulk")
        if not atoms.cell.orthorhombic:
            raise DataError(f"{source}: the cell of frame {number} is not a box along x, y and z")
        if atoms.cell.lengths().min() < reach:
            shortest = f"{atoms.cell.lengths().min():.2f} Å"
            raise DataError(
                f"{source}: an edge of frame {number} is {shortest}, {reach:.2f} or more is needed; repeat it"
            )


def whole(atoms: Atoms) -> tuple[Array, bool]:
    """Positions in which no molecule is cut by the boundary, and whether bonds go through the whole box, as in a metal.

    Bonded are atoms closer than 1.2 times the sum of their covalent radii.
    """
    limits = BOND_FACTOR * radius_sums(np.array(atoms.get_chemical_symbols()))
    bonds = np.argwhere(np.triu(atoms.get_all_distances(mic=True) < limits, 1))
    return unwrapped(atoms.positions, bonds, atoms.cell.cellpar())


def write_box(atoms: Atoms, path: Path) -> bool:
    """LAMMPS data file of one replica, molecules whole by image flags; returns whether bonds go through the box."""
    elements = sorted(set(atoms.symbols))
    box = atoms.cell.lengths()
    positions, endless = whole(atoms)
    images = np.floor(positions / box).astype(int)
    rows = [
        f"{number} 1 {elements.index(symbol) + 1} {x:.15g} {y:.15g} {z:.15g} {a} {b} {c}"
        for number, (symbol, (x, y, z), (a, b, c)) in enumerate(
            zip(atoms.symbols, positions - images * box, images, strict=True), 1
        )
    ]
    write_data(path, f"one replica of {atoms.symbols}", atoms, elements, box.tolist(), rows, velocity_rows(atoms, 1))
    return endless


def type_names(atoms: Atoms, manifest: Manifest) -> dict[str, str]:
    """Of the atom types of `write_box`: their elements, and their names in the model.

    Raises:
        DataError: the model knows the atoms of one molecule only.
    """
    if any(name not in manifest.type_names for name in atoms.symbols):
        raise DataError(f"the model knows {', '.join(manifest.type_names)}; the starts are of {atoms.symbols}")
    elements = " ".join(sorted(set(atoms.symbols)))
    return {"elements": elements, "names": elements}


def watch(n_atoms: int, *, ensemble: str, endless: bool) -> dict[str, str | int]:
    """Variables of the input for the watch: momentum is gone in nve; bonds without an end are not watched."""
    internal = f" dof {3 * n_atoms - 3}" if ensemble == "nve" else ""
    limits = f"force 100 every {LOOK_EVERY}{internal}" + (" break NULL" if endless else "")
    return {"limits": limits, "keep_every": LOOK_EVERY}


def gather(folder: Folder, steps: int) -> None:
    """Put record, failures and kept frames of all finished replicas together in `folder.run`, as of one run.

    Raises:
        RunError: not one is finished.
    """
    runs = {number: part.run for number, part in enumerate(folder.parts, 1) if part.finished(steps)}
    if not runs:
        raise RunError(f"{folder.path}: no replica has come to its end yet")
    folder.run.mkdir(exist_ok=True)
    for name, column in _FILES.items():
        with atomic_path(folder.run / name) as temporary:
            temporary.write_text("".join(_gathered({number: run / name for number, run in runs.items()}, column)))
    for number, run in runs.items():
        if (kept := run / "frames.1.dump").exists():
            shutil.copyfile(kept, folder.run / f"frames.{number}.dump")


def _gathered(paths: Mapping[int, Path], column: int) -> Iterator[str]:
    """The header once, then the rows of all files, each with the number of its replica, in the order of their steps."""
    rows: list[tuple[int, int, str]] = []
    for number, path in paths.items():
        for line in path.read_text().splitlines(keepends=True):
            if line.startswith("#"):
                if number == min(paths):
                    yield line
            else:
                words = line.split()
                words[column] = str(number)
                rows.append((int(words[1 - column]), number, " ".join(words) + "\n"))
    yield from (text for _, _, text in sorted(rows))
