"""Boxes of replicas of one molecule for `fix lampion/replicas`, and readers of what it writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ase.build
import numpy as np
from ase import units
from ase.data import atomic_masses, atomic_numbers

from stock_lmp import Array

ETHANOL = ase.build.molecule("CH3CH2OH")
INVISIBLE = "neigh_modify exclude molecule/inter all"


@dataclass(frozen=True)
class Replicas:
    """Positions (Å) and velocities (Å/ps), (n_replicas, n_atoms, 3), of molecules of these elements."""

    names: Sequence[str]
    positions: Array
    velocities: Array
    edge: float = 60.0

    @property
    def elements(self) -> list[str]:
        return sorted(set(self.names))

    def write(self, folder: Path, molecules: Sequence[int] | None = None, ids: Sequence[int] | None = None) -> None:
        """`start.data` for atom_style molecular; other molecule or atom ids than those that belong there."""
        n_replicas, n_atoms, _ = self.positions.shape
        n = n_replicas * n_atoms
        ids = ids or range(1, n + 1)
        molecules = molecules or [k // n_atoms + 1 for k in range(n)]
        types = [self.elements.index(name) + 1 for name in self.names]
        lines = ["replicas", "", f"{n} atoms", f"{len(self.elements)} atom types", ""]
        lines += [f"0 {self.edge} {a}lo {a}hi" for a in "xyz"]
        lines += ["", "Masses", ""]
        lines += [f"{k} {atomic_masses[atomic_numbers[name]]}" for k, name in enumerate(self.elements, 1)]
        lines += ["", "Atoms # molecular", ""]
        for k, r in enumerate(self.positions.reshape(-1, 3)):
            lines.append(f"{ids[k]} {molecules[k]} {types[k % n_atoms]} {r[0]:.17g} {r[1]:.17g} {r[2]:.17g}")
        lines += ["", "Velocities", ""]
        for k, v in enumerate(self.velocities.reshape(-1, 3)):
            lines.append(f"{ids[k]} {v[0]:.17g} {v[1]:.17g} {v[2]:.17g}")
        (folder / "start.data").write_text("\n".join(lines) + "\n")

    def write_real(self, folder: Path) -> None:
        """`start.data` for atom_style full without charges, in units real."""
        Replicas(self.names, self.positions, self.velocities / 1000, self.edge).write(folder)  # Å/fs
        before, _, rest = (folder / "start.data").read_text().partition("Atoms # molecular\n\n")
        atoms, _, velocities = rest.partition("\n\nVelocities")
        charged = "\n".join(" ".join([*line.split()[:3], "0", *line.split()[3:]]) for line in atoms.splitlines())
        (folder / "start.data").write_text(f"{before}Atoms # full\n\n{charged}\n\nVelocities{velocities}")

    def alone(self, replica: int) -> "Replicas":
        """One of them, numbered from 1, in the same box."""
        pick = slice(replica - 1, replica)
        return Replicas(self.names, self.positions[pick], self.velocities[pick], self.edge)


def ethanol(n: int, kelvin: float, seed: int = 1) -> Replicas:
    """Molecules on a grid, in ASE's geometry, with velocities without momentum and angular momentum."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(n ** (1 / 3)))
    mass, r = ETHANOL.get_masses(), ETHANOL.positions - ETHANOL.get_center_of_mass()
    inertia = np.einsum("i,iab->ab", mass, (r**2).sum(1)[:, None, None] * np.eye(3) - r[:, :, None] * r[:, None, :])
    places, velocities = [], []
    for k in range(n):
        v = rng.normal(size=(9, 3)) * np.sqrt(units.kB * kelvin / mass)[:, None] * 1000 * units.fs
        v -= mass @ v / mass.sum()
        v -= np.cross(np.linalg.solve(inertia, np.cross(r, mass[:, None] * v).sum(0)), r)
        places.append(r + 10.0 * (0.5 + np.array([k % side, k // side % side, k // side**2])))
        velocities.append(v)
    return Replicas(ETHANOL.get_chemical_symbols(), np.array(places), np.array(velocities), 10.0 * side)


def script(pair: str, watch: str, then: str, boundary: str = "p p p", exclude: str = INVISIBLE) -> str:
    """Input that watches the replicas of `start.data` in steps of 0.5 fs."""
    return f"""
units metal
boundary {boundary}
atom_style molecular
atom_modify map array
read_data start.data
{pair}
neighbor 1.0 bin
neigh_modify every 1 delay 0 check no
{exclude}
timestep 0.0005
fix move all nve
{watch}
thermo_style custom step atoms temp pe f_watch f_watch[*]
thermo_modify norm no format float %.15g
thermo 10
{then}
"""


def header(path: Path) -> dict[str, list[str]]:
    """The words behind each name of the header."""
    lines = [line[1:].split() for line in path.read_text().splitlines() if line.startswith("#")]
    return {words[0]: words[1:] for words in lines}


def rows(path: Path) -> list[dict[str, str]]:
    """The rows as text, by column."""
    columns = header(path)["columns"]
    lines = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    return [dict(zip(columns, words, strict=True)) for words in lines]


def failures(path: Path) -> dict[int, tuple[int, int, str, int, int, float]]:
    """By replica: step, detected, kind, the two atoms, value."""
    return {
        int(row["replica"]): (
            int(row["step"]),
            int(row["detected"]),
            row["kind"],
            int(row["atom_i"]),
            int(row["atom_j"]),
            float(row["value"]),
        )
        for row in rows(path)
    }
