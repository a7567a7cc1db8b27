"""Molecules brought to rest in the minima of a model, each with a search of its own, all in one call of the model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.optimize import BFGS

from lampion.deploy.calculator import LampionCalculator

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Relaxed:
    """Molecules at rest in their minima, and how many others did not get there."""

    molecules: list[Atoms]
    dropped: int


def relax(
    molecules: Sequence[Atoms], model: Path, *, fmax: float, steps: int, progress: Progress | None = None
) -> Relaxed:
    """Relax with BFGS (ASE's), side by side: one call of the model for all, several times as fast as one by one.

    Args:
        molecules: of one or several kinds; left as they are.
        model: model file.
        fmax: a molecule is at rest when no force is larger, eV/Å.
        steps: one that is not by then is dropped, as is one whose forces are no numbers.
        progress: is told how many molecules are done, of how many.
    """
    calculator = LampionCalculator(model)
    searches = {number: BFGS(molecule.copy(), logfile=None) for number, molecule in enumerate(molecules)}
    at_rest: dict[int, Atoms] = {}
    for step in range(steps + 1):
        frames = [search.atoms for search in searches.values()]
        for number, atoms, forces in zip(list(searches), frames, calculator.forces_of(frames), strict=True):
            largest = np.linalg.norm(forces, axis=1).max()
            if fmax <= largest < np.inf and step < steps:
                atoms.calc = SinglePointCalculator(atoms, forces=forces)
                searches[number].step()
                continue
            if largest < fmax:
                at_rest[number] = Atoms(atoms.numbers, atoms.positions)
            del searches[number]
        if progress:
            progress(len(molecules) - len(searches), len(molecules))
        if not searches:
            break
    return Relaxed([at_rest[number] for number in sorted(at_rest)], len(molecules) - len(at_rest))
