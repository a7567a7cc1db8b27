"""`lampion check`: does a model file keep the laws of a potential in the real `lmp`?"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lampion.deploy.modelfile import Manifest, read_manifest
from lampion.pipeline.check.atoms import (
    STENCIL,
    VOIGT,
    Atoms,
    chain,
    crowded_cell,
    free,
    relabelling,
    rotated,
    rotation,
    spacing,
)
from lampion.pipeline.check.lmp import Answer, Bench
from lampion.pipeline.lmp.rerun import Floats

STEPS = 200
_PROBED = (0, 9, 14, 22)  # atoms whose forces are differenced


@dataclass(frozen=True)
class Limits:
    """Tolerances for one dtype.

    Attributes:
        derivative: of finite differences, relative to the largest force or virial.
        same: of two ways to compute the same forces and energy, relative to the largest force.
        jump: of the energy of a pair that crosses the cutoff, relative to largest force x spacing.
        noise: of the total energy, relative to the kinetic energy, below which no dt² law can be seen.
        steps: of finite differences, in spacings; the one that suits the model counts. A long one errs where the
            potential is strongly curved, a short one where its energy is coarse; a wrong force differs from both.
    """

    derivative: float
    same: float
    jump: float
    noise: float
    steps: tuple[float, ...]


LIMITS = {
    "float64": Limits(derivative=1e-6, same=1e-9, jump=1e-6, noise=1e-11, steps=(2e-3,)),
    "float32": Limits(derivative=5e-3, same=1e-4, jump=1e-4, noise=1e-5, steps=(1e-2, 2.5e-3)),
}
#: Half the time step leaves 1/4 of a smooth potential's energy error, and as much as before of a faulty one's.
DT2_LIMIT = 0.4


@dataclass(frozen=True)
class Row:
    """One law: the largest relative violation found, and what is allowed."""

    name: str
    figure: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """False also for NaN."""
        return self.figure <= self.tolerance


def check_model(model: Path) -> list[Row]:
    """Run all checks in a temporary folder; takes seconds for a small model.

    Raises:
        ModelFileError: not a model file.
        CheckError: `lmp` cannot run the model.
        InstallationError: LAMMPS or MPI is not installed.
    """
    manifest = read_manifest(model)
    with TemporaryDirectory(prefix="lampion-check-") as folder:
        bench = Bench(model, manifest, Path(folder))
        return list(_rows(bench, manifest))


def as_json(model: Path, rows: list[Row]) -> dict[str, Any]:
    """The table as plain values."""
    checks = [asdict(row) | {"passed": row.passed} for row in rows]
    return {"model": str(model), "passed": all(row.passed for row in rows), "checks": checks}


def _rows(bench: Bench, manifest: Manifest) -> Iterator[Row]:
    limits, cell = LIMITS[manifest.dtype], crowded_cell(manifest)
    base, *answers = bench.answers([cell, *_single_process(cell, manifest, limits)])
    scale = max(float(np.abs(base.forces).max()), 1e-12)
    take = iter(answers)
    forces = min(_forces(base, take, step * spacing(manifest)) for step in limits.steps)
    yield Row("forces by finite differences", forces, limits.derivative)
    virial = min(_virial(base, take, step) for step in limits.steps)
    yield Row("virial by finite differences", virial, limits.derivative)
    yield Row("translation", _difference(next(take), base, scale), limits.same)
    order = relabelling(cell)
    yield Row("permutation", _difference(next(take), base, scale, order), limits.same)
    cluster, turned = next(take), next(take)
    turned = Answer(turned.energy, turned.forces @ rotation(), turned.virial)
    yield Row("rotation", _difference(turned, cluster, max(float(np.abs(cluster.forces).max()), 1e-12)), limits.same)
    yield Row("continuity at the cutoff", _jump(next(take), next(take), scale * spacing(manifest)), limits.jump)
    (shared,) = bench.answers([cell], ranks=2)
    yield Row("2 MPI ranks against 1", _difference(shared, base, scale), limits.same)
    (large,) = bench.answers([cell.repeated(2)])
    first = Answer(large.energy / 8, large.forces[: len(cell.types)], large.virial / 8)
    yield Row("supercell against cell", _difference(first, base, scale), limits.same)
    yield Row(f"energy conservation, {STEPS} steps", _conservation(bench, cell, base, limits), DT2_LIMIT)


def _single_process(cell: Atoms, manifest: Manifest, limits: Limits) -> Iterator[Atoms]:
    """The configurations `_rows` takes its answers from, in that order; all of the same atoms."""
    for step in limits.steps:
        h = step * spacing(manifest)
        yield from (cell.moved(i, a, k * h) for i in _PROBED for a in range(3) for k, _ in STENCIL)
    for step in limits.steps:
        yield from (cell.strained(c, k * step) for c in range(len(VOIGT)) for k, _ in STENCIL)
    yield cell.translated(np.array([0.31, -0.77, 1.9]) * spacing(manifest))
    order = relabelling(cell)
    yield Atoms(cell.positions[order], cell.cell, cell.types)
    cluster = free(cell, manifest)
    yield cluster
    yield rotated(cluster, rotation())
    yield from (chain(cell, manifest.cutoff * (1 + side)) for side in (-1e-6, 1e-6))


def _derivative(answers: Iterator[Answer], step: float) -> float:
    return sum(weight * next(answers).energy for _, weight in STENCIL) / step


def _forces(base: Answer, answers: Iterator[Answer], step: float) -> float:
    """F = -∂E/∂r."""
    expected = np.array([[-_derivative(answers, step) for _ in range(3)] for _ in _PROBED])
    return _relative(base.forces[list(_PROBED)], expected)


def _virial(base: Answer, answers: Iterator[Answer], step: float) -> float:
    """W = -∂E/∂ε."""
    return _relative(base.virial, np.array([-_derivative(answers, step) for _ in VOIGT]))


def _relative(found: Floats, expected: Floats) -> float:
    difference = float(np.abs(found - expected).max() / max(float(np.abs(expected).max()), 1e-12))
    return difference if np.isfinite(difference) else np.inf


def _difference(found: Answer, expected: Answer, scale: float, order: Any = slice(None)) -> float:
    """Largest difference of forces over the largest force, or of energies over the energy, whichever is larger."""
    forces = float(np.abs(found.forces - expected.forces[order]).max()) / scale
    energy = abs(found.energy - expected.energy) / max(abs(expected.energy), scale)
    return float(np.fmax(forces, energy) if np.isfinite(forces + energy) else np.nan)


def _jump(inside: Answer, outside: Answer, scale: float) -> float:
    """Energy per pair lost by a chain whose neighbours step over the cutoff."""
    return abs(inside.energy - outside.energy) / (len(inside.forces) - 1) / scale


def _conservation(bench: Bench, cell: Atoms, base: Answer, limits: Limits) -> float:
    """Spread of the total energy at half the time step over that at the full one: 1/4 by the dt² law.

    Springs that the largest force stretches by a fiftieth of the spacing tie the atoms to their places: a model of
    molecules has never seen this crystal, in which they might fall on each other.
    """
    spring = max(float(np.abs(base.forces).max()) / (0.02 * spacing(bench.manifest)), 1e-12)
    dt = 0.05 / np.sqrt(bench.acceleration(spring))
    full, kinetic = bench.trajectory(cell, dt, STEPS, spring)
    half, _ = bench.trajectory(cell, dt / 2, 2 * STEPS, spring)
    noise = limits.noise * float(kinetic.max())
    return float(np.std(half[::2]) / max(float(np.std(full)), noise))
