"""Numbers that no labels in eV and Å have: physical bounds that a wrong unit violates.

A factor common to energies and forces breaks no law between them, so it shows only in the size of the numbers.
"""

from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers, covalent_radii

from lampion.training.data.frames import Floats, Frames, composition
from lampion.training.data.neighbors import neighbor_edges
from lampion.training.labels.file_units import ENERGY

#: Stretching force constants of bonds, eV/Å²: Cs-H 2.9, Na-H 4.9, C-H 30, C=O 75, CO 119, N2 143, NO+ 155
#: (Herzberg and Huber, Constants of Diatomic Molecules, 1979). In kcal/mol the same numbers are 23 times as large.
SOFTEST, STIFFEST = 2.0, 200.0
#: atoms closer than this times the sum of their covalent radii are bonded
BONDED = 1.25
SAMPLES = 500


@dataclass(frozen=True)
class Stiffness:
    """Force constant of one kind of bond to an atom that has no other, as the forces give it.

    Attributes:
        bond: "C-H".
        constant: -d(force along the bond)/d(length), eV/Å².
        length: mean, Å.
        n: bonds seen.
    """

    bond: str
    constant: float
    length: float
    n: int


def bond_stiffness(frames: Frames) -> list[Stiffness]:
    """Force constants of all kinds of terminal bonds, from the regression of force on length.

    The force on a terminal atom along its only bond is -k (d - d0) but for weak other forces, so the labels themselves
    measure k wherever bond lengths vary. Kinds with fewer than 20 bonds, or whose forces do not follow the length, are
    left out.
    """
    samples: dict[str, list[Floats]] = {}
    for f in np.unique(np.linspace(0, len(frames) - 1, min(SAMPLES, len(frames))).astype(int)):
        for bond, rows in _terminal_bonds(frames, int(f)).items():
            samples.setdefault(bond, []).append(rows)
    found = [_regress(bond, np.concatenate(rows)) for bond, rows in sorted(samples.items())]
    return [stiffness for stiffness in found if stiffness is not None]


def _terminal_bonds(frames: Frames, frame: int) -> dict[str, Floats]:
    """Length and outward force, (n, 2), of the bonds of atoms with exactly one bond, by kind."""
    rows = frames.atoms_of(frame)
    names = [frames.type_names[t] for t in frames.types[rows]]
    if any(name not in atomic_numbers for name in names):
        return {}
    radii = covalent_radii[[atomic_numbers[name] for name in names]]
    longest = 2 * BONDED * radii.max()
    (i, j), vectors = neighbor_edges(frames.positions[rows], frames.cell[frame], frames.pbc[frame], longest)
    lengths = np.linalg.norm(vectors, axis=1)
    bonded = lengths < BONDED * (radii[i] + radii[j])
    n_bonds = np.bincount(i[bonded], minlength=len(names))
    chosen = bonded & (n_bonds[i] == 1)
    outward = -(frames.forces[rows][i[chosen]] * vectors[chosen]).sum(axis=1) / lengths[chosen]
    kinds = np.array(["-".join(sorted((names[a], names[b]))) for a, b in zip(i[chosen], j[chosen], strict=True)])
    pairs = np.stack([lengths[chosen], outward], axis=1)
    return {str(kind): pairs[kinds == kind] for kind in np.unique(kinds)}


def _regress(bond: str, rows: Floats) -> Stiffness | None:
    length, force = rows.T
    if len(rows) < 20 or length.std() < 1e-3 or not force.any():
        return None
    if np.corrcoef(length, force)[0, 1] > -0.8:
        return None
    slope = float(np.polyfit(length, force, 1)[0])
    return Stiffness(bond, -slope, float(length.mean()), len(rows))


def stiffness_problem(found: list[Stiffness]) -> str | None:
    """What is wrong with the force constants, and which unit would explain it; none if nothing is."""
    if not found:
        return None
    typical = sorted(found, key=lambda stiffness: stiffness.constant)[len(found) // 2]
    softest = SOFTEST if "H" in typical.bond.split("-") else 0.0  # alkali dimers are as soft as one likes
    if softest <= typical.constant <= STIFFEST:
        return None
    return (
        f"the forces make {typical.bond} bonds ({typical.length:.2f} Å, {typical.n} seen) springs of "
        f"{typical.constant:.4g} eV/Å², and real ones have {softest:g} to {STIFFEST:g} (C-H 30, N2 143); "
        f"{_likely_unit(typical.constant)}"
    )


def _likely_unit(constant: float) -> str:
    """The energy unit in which a constant is close to that of ordinary bonds, about 40 eV/Å²."""
    distance = {unit: abs(np.log(constant * factor / 40.0)) for unit, factor in ENERGY.items()}
    likely = min(distance, key=lambda unit: distance[unit])
    return f"the energy unit is wrong, these numbers fit {likely}: convert the original file with another --energy-unit"


def thomas_fermi(frames: Frames) -> Floats:
    """Thomas-Fermi energy of the neutral atoms of each frame, -0.7687 Z^(7/3) Ha each, in eV: (n_frames,).

    It lies below every atom's true energy (E. H. Lieb, Rev. Mod. Phys. 53, 603 (1981)), by half for H and a third for
    C, which binding never makes up for. So no energy counted from separate electrons and nuclei is lower; one counted
    from pseudo-atoms or free atoms is higher still.
    """
    charges = np.array([atomic_numbers.get(name, np.inf) for name in frames.type_names], dtype=np.float64)
    return composition(frames) @ (-0.7687 * ENERGY["Ha"] * charges ** (7 / 3))


def energy_problem(frames: Frames) -> str | None:
    """What is wrong with the energies; none if no bound is violated."""
    if any(name not in atomic_numbers for name in frames.type_names):
        return None
    for chunk in frames.chunks():
        bound = thomas_fermi(chunk)
        bad = np.flatnonzero(chunk.energy < bound)
        if len(bad):
            f = int(bad[0])
            factor = chunk.energy[f] / bound[f]
            return (
                f"an energy of {chunk.energy[f]:.6g} eV is {factor:.1f} times the Thomas-Fermi energy of its atoms "
                f"({bound[f]:.6g} eV), and no total energy lies below it; energies in kcal/mol (23 per eV) or kJ/mol "
                "(96 per eV)? Declare --energy-unit when converting the original file"
            )
    return None
