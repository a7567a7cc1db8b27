"""Single points beside the start of a run: closed loops, and pairs pulled through the cutoff."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from lampion.analysis.diagnosis.crossings import Cutoff, Pull
from lampion.analysis.diagnosis.loops import Loop, circle, walk
from lampion.pipeline.diagnose.segments import Repeats
from lampion.pipeline.lmp.rerun import Floats

N_LOOPS, N_POINTS = 3, 24
#: points that are also evaluated on two ranks
N_SHARED = 4
#: rms swing of every coordinate on a loop, Å: that of a vibration
RADIUS = 0.03
#: pairs farther from the cutoff than this do not cross it soon, Å
REACH = 1.0
#: pairs pulled, of every two types
N_PULLS = 3
#: distance from the cutoff on either side, Å
_STEP = 1e-5
#: distances from the cutoff that are drawn, Å
_DRAWN = np.concatenate([np.linspace(-0.05, -_STEP, 12), np.linspace(_STEP, 0.05, 12)])


@dataclass(frozen=True)
class Near:
    """A pair near the cutoff: atoms (rows), vector from the first to the second (Å), names of their types."""

    i: int
    j: int
    vector: Floats
    pair: str


@dataclass(frozen=True)
class Probes:
    """What the points say.

    Attributes:
        ranks: largest difference of a force between two MPI ranks and one, over the rms force.
        drawn: distance, and energy beyond the work of the force, of the pair nearest to the cutoff.
    """

    loops: list[Loop]
    cutoff: Cutoff
    ranks: float
    drawn: tuple[Floats, Floats] | None


def probe(repeats: Repeats, potential: Sequence[str], names: Sequence[str], cutoff: float, *, energies: bool) -> Probes:
    """Evaluate all points in one process, a few of them on two ranks too.

    Args:
        potential: commands to evaluate them with, in float64.
        names: of the atom types, as the model knows them. cutoff: of the model, Å.
        energies: whether the model has any.

    Raises:
        RunFailedError: the model cannot be evaluated so.
    """
    start = repeats.positions
    circles = [circle(start.size, N_POINTS, RADIUS, seed) for seed in range(N_LOOPS)]
    near = _near(repeats, names, cutoff)
    distances = [(pair, cutoff + side * _STEP) for pair in near for side in (-1, 1)]
    distances += [(near[0], cutoff + offset) for offset in _DRAWN] if near else []
    moved = [start + shift.reshape(start.shape) for shifts, _ in circles for shift in shifts]
    moved += [_pulled(start, pair, distance) for pair, distance in distances]
    energy, forces = repeats.points(moved, potential)
    flat = forces.reshape(len(forces), -1)
    loops = [
        walk(flat[part], tangents, energy[part] if energies else None)
        for part, (_, tangents) in zip(_parts(N_LOOPS, N_POINTS), circles, strict=True)
    ]
    on_loops = N_LOOPS * N_POINTS
    scale = float(np.sqrt((forces[:on_loops] ** 2).sum(axis=2).mean()))
    pulls = [
        _pull(pair, energy[part], forces[part]) for part, pair in zip(_parts(len(near), 2, on_loops), near, strict=True)
    ]
    drawn = slice(on_loops + 2 * len(near), None)
    along = _beyond_work(near[0], energy[drawn], forces[drawn]) if near and energies else None
    shared = repeats.points(moved[:N_SHARED], potential, ranks=2)[1]
    ranks = float(np.abs(shared - forces[:N_SHARED]).max()) / scale
    return Probes(loops, Cutoff(cutoff, pulls, scale), ranks, None if along is None else (cutoff + _DRAWN, along))


def _parts(n: int, length: int, first: int = 0) -> list[slice]:
    return [slice(first + k * length, first + (k + 1) * length) for k in range(n)]


def _near(repeats: Repeats, names: Sequence[str], cutoff: float) -> list[Near]:
    """The pairs nearest to the cutoff, a few of every two types, the nearest first; none of atoms kept apart."""
    columns = repeats.start.columns
    atoms = Atoms(positions=repeats.positions, cell=repeats.cell, pbc=repeats.start.pbc)
    i, j, distance, vectors = neighbor_list("ijdD", atoms, cutoff + REACH)
    keep = (i < j) & (distance > cutoff - REACH)
    if "mol" in columns:
        keep &= columns["mol"][i] == columns["mol"][j]
    i, j, distance, vectors = i[keep], j[keep], distance[keep], vectors[keep]
    found: dict[str, list[Near]] = {}
    for k in np.argsort(np.abs(distance - cutoff)):
        kinds = sorted(int(columns["type"][atom]) for atom in (i[k], j[k]))
        pair = "-".join(names[kind - 1] for kind in kinds)
        if len(found.setdefault(pair, [])) < N_PULLS:
            found[pair].append(Near(int(i[k]), int(j[k]), vectors[k], pair))
    return [near for pairs in found.values() for near in pairs]


def _pulled(start: Floats, near: Near, distance: float) -> Floats:
    """The first atom of a pair moved along it until they are that far apart."""
    positions = start.copy()
    positions[near.i] += near.vector * (1.0 - distance / np.linalg.norm(near.vector))
    return positions


def _pull(near: Near, energy: Floats, forces: Floats) -> Pull:
    """Inside and outside compared; the work of the force on the way between is none of a jump."""
    length = float(np.linalg.norm(near.vector))
    along = forces[:, near.i] @ (-near.vector / length)
    work = along.mean() * 2.0 * _STEP
    return Pull(near.pair, length, float(energy[1] - energy[0] + work), float(along[1] - along[0]))


def _beyond_work(near: Near, energy: Floats, forces: Floats) -> Floats:
    """E + ∫ F·dr along the pull, from its first point, by the trapezoidal rule; constant for a potential."""
    along = forces[:, near.i] @ (-near.vector / np.linalg.norm(near.vector))
    work = np.concatenate([[0.0], np.cumsum(np.diff(_DRAWN) * (along[1:] + along[:-1]) / 2.0)])
    return energy - energy[0] + work
