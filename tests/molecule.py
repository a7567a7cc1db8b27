"""A molecule with an analytic surface: Morse bonds, springs between second neighbours, sampled by dynamics."""

import functools

import ase.build
import numpy as np
from ase import units
from ase.neighborlist import natural_cutoffs, neighbor_list

from lampion.training.data.frames import Frames, offsets_of, type_indices

#: bond stiffness 2 D a² (eV/Å²) and depth D (eV); springs between second neighbours (eV/Å²)
BOND = {"C-H": 30.0, "C-C": 28.0, "C-O": 32.0, "H-O": 47.0}
DEPTH, SPRING = 4.5, 5.0
#: all-electron energies of the free atoms, eV
FREE = {"C": -1029.5, "H": -13.6, "O": -2041.8}
NAMES = ("C", "H", "O")


class Molecule:
    """Ethanol with E(r) and F(r)."""

    def __init__(self) -> None:
        self.atoms = ase.build.molecule("CH3CH2OH")
        start = self.atoms.positions
        i, j = neighbor_list("ij", self.atoms, natural_cutoffs(self.atoms, mult=1.2))
        bonded = np.zeros((9, 9), dtype=bool)
        bonded[i, j] = True
        second = (bonded.astype(int) @ bonded.astype(int) > 0) & ~bonded & ~np.eye(9, dtype=bool)
        self.pairs = np.argwhere(np.triu(bonded | second))
        self.is_bond = bonded[tuple(self.pairs.T)]
        symbols = self.atoms.get_chemical_symbols()
        stiffness = [
            BOND["-".join(sorted((symbols[a], symbols[b])))] if bonded[a, b] else SPRING for a, b in self.pairs
        ]
        self.stiffness = np.array(stiffness)
        self.rest = np.linalg.norm(start[self.pairs[:, 1]] - start[self.pairs[:, 0]], axis=1)
        self.offset = sum(FREE[name] for name in symbols)

    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """Energy (eV) and forces (eV/Å)."""
        vectors = positions[self.pairs[:, 1]] - positions[self.pairs[:, 0]]
        length = np.linalg.norm(vectors, axis=1)
        stretch, a = length - self.rest, np.sqrt(self.stiffness / 2 / DEPTH)
        well = 1 - np.exp(-a * stretch)
        energy = np.where(self.is_bond, DEPTH * well**2, self.stiffness / 2 * stretch**2)
        slope = np.where(self.is_bond, 2 * DEPTH * a * well * (1 - well), self.stiffness * stretch)
        pull = (slope / length)[:, None] * vectors
        forces = np.zeros((9, 3))
        np.add.at(forces, self.pairs[:, 0], pull)
        np.add.at(forces, self.pairs[:, 1], -pull)
        return self.offset + float(energy.sum()), forces


@functools.cache
def trajectory(n_frames: int = 400, dt_fs: float = 0.5, kelvin: float = 500.0) -> Frames:
    """Consecutive frames of Langevin dynamics; treat as read-only."""
    rng, molecule = np.random.default_rng(5), Molecule()
    masses, dt = molecule.atoms.get_masses()[:, None], dt_fs * units.fs
    positions = molecule.atoms.positions.copy()
    velocities = rng.normal(size=(9, 3)) * np.sqrt(units.kB * kelvin / masses)
    damping = np.exp(-dt / (20 * units.fs))
    energy, forces, kept = *molecule(positions), []
    for step in range(n_frames + 200):
        velocities += 0.5 * dt * forces / masses
        positions = positions + dt * velocities
        energy, forces = molecule(positions)
        velocities += 0.5 * dt * forces / masses
        noise = np.sqrt((1 - damping**2) * units.kB * kelvin / masses)
        velocities = damping * velocities + noise * rng.normal(size=(9, 3))
        if step >= 200:
            kept.append((positions, energy, forces))
    places, energies, pulls = zip(*kept, strict=True)
    return Frames(
        type_names=NAMES,
        offsets=offsets_of([9] * n_frames),
        types=np.tile(type_indices(molecule.atoms.get_chemical_symbols(), NAMES), n_frames),
        positions=np.concatenate(places),
        cell=np.zeros((n_frames, 3, 3)),
        pbc=np.zeros((n_frames, 3), dtype=bool),
        energy=np.array(energies),
        forces=np.concatenate(pulls),
        step=np.arange(n_frames),
    )
