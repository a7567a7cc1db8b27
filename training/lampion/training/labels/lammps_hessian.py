"""Hessians from LAMMPS: a dump of one frame and what `dynamical_matrix all regular` wrote beside it."""

from pathlib import Path

import numpy as np
from ase.data import atomic_numbers

from lampion.training.errors import DataError
from lampion.training.labels.hessian_labels import Hessians
from lampion.training.labels.lammps_dump import read_dump
from lampion.training.labels.lammps_log import units_of
from lampion.training.labels.units import unit_style


def read_lammps_hessian(dump: Path, log: Path, matrix: Path) -> Hessians:
    """Read the Hessian of the configuration in a dump.

    LAMMPS writes D = H / √(m_i m_j) in its own units, three numbers to a line
    (https://docs.lammps.org/dynamical_matrix.html), and the dump must say the masses.

    Args:
        dump: one frame with `id element mass x y z fx fy fz`, sorted by id.
        log: log of the same run; its `units` are taken.
        matrix: file of `dynamical_matrix all regular DELTA file ...`, not binary.

    Raises:
        DataError: the dump has several frames or no masses, or the matrix is not of its atoms.
    """
    style = unit_style(units_of(log, None))
    frames = list(read_dump(dump))
    if len(frames) != 1:
        raise DataError(
            f"{dump}: has {len(frames)} frames; a Hessian belongs to one: dump once, before dynamical_matrix"
        )
    frame = frames[0]
    absent = [name for name in ("element", "mass") if name not in frame.columns]
    if absent:
        raise DataError(
            f"{dump}: has no column {' and '.join(absent)}; write `dump ... id element mass x y z fx fy fz`"
        )
    roots = np.sqrt(np.repeat(frame.columns["mass"].astype(np.float64), 3))
    hessian = _read_matrix(matrix, len(roots)) * np.outer(roots, roots) * (style.energy / style.length**2)
    positions = frame.vectors("x", "y", "z") - frame.origin
    return Hessians(
        numbers=np.array([atomic_numbers[name] for name in frame.columns["element"]]),
        positions=positions[None] * style.length,
        hessian=(hessian + hessian.T)[None] / 2,
        cell=np.where(np.array(frame.pbc)[:, None], frame.cell, 0.0)[None] * style.length,
    )


def _read_matrix(path: Path, size: int) -> np.ndarray:
    if not path.exists():
        raise DataError(f"{path}: no such file; write it with `dynamical_matrix all regular 1.0e-4 file {path.name}`")
    try:
        numbers = np.array(path.read_text().split(), dtype=np.float64)
    except ValueError as error:
        raise DataError(f"{path}: is not the text of a dynamical matrix ({error}); leave out `binary yes`") from None
    if numbers.size != size**2:
        raise DataError(
            f"{path}: holds {numbers.size} numbers, the {size // 3} atoms of the dump need {size**2}; was the run cut "
            "off, or the group not `all`?"
        )
    return numbers.reshape(size, size)
