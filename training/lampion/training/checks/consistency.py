"""Do energies, forces and stress belong together? Their own differential, tested where frames follow each other.

For frames n, n+1 that differ little, dE = -F·dr + V σ:dε integrates by the trapezoidal rule to

    E(n+1) - E(n) = -½ (F(n) + F(n+1))·Δr + ½ (V σ(n) + V σ(n+1)):Δε + O(Δ³)

with Δε the change of the cell and Δr the displacement that is left when the atoms follow the cell. Labels in different
units, gradients in place of forces or a stress of the other sign show as a factor between the two sides.
"""

from dataclasses import dataclass

import numpy as np

from lampion.training.data.frames import Floats, Frames, Ints
from lampion.training.labels.file_units import ENERGY, LENGTH

#: largest displacement of an atom (Å) and change of the cell between frames that count as consecutive
STEP, STRAIN = 0.2, 0.03
#: pairs looked at, spread over the file
SAMPLES = 2000


@dataclass(frozen=True)
class Differences:
    """Both sides of the law for pairs of consecutive frames, each (n_pairs,), eV.

    Attributes:
        energy: E(n+1) - E(n).
        work: -½ (F(n) + F(n+1))·Δr.
        strain: ½ (V σ(n) + V σ(n+1)):Δε; zero where the cell does not change, NaN where it does without a stress label.
        n_looked_at: pairs of neighbouring frames examined.
        resolution: rounding error of energies that were stored in single precision, eV.
    """

    energy: Floats
    work: Floats
    strain: Floats
    n_looked_at: int
    resolution: float

    def __len__(self) -> int:
        return len(self.energy)


def differences(frames: Frames, order: Ints | None = None) -> Differences:
    """Both sides of the law, for the consecutive ones among at most `SAMPLES` pairs of neighbouring frames.

    Args:
        frames: labelled frames.
        order: in which frames are neighbours; none: that of the file.
    """
    order = np.arange(len(frames)) if order is None else order
    first = np.unique(np.linspace(0, max(len(order) - 2, 0), min(SAMPLES, len(order) - 1)).astype(int))
    rows = [row for n in first if (row := _pair(frames, int(order[n]), int(order[n + 1]))) is not None]
    energy, work, strain = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    resolution = float(np.finfo(np.float32).eps * np.abs(frames.energy).max())
    return Differences(energy, work, strain, len(first), resolution)


@dataclass(frozen=True)
class Consistency:
    """Verdict on the labels of consecutive frames.

    Attributes:
        n: pairs judged.
        factor: slope of the energy differences on the work; 1 for labels that belong together.
        error: rms difference of the two sides over the rms energy difference.
        correlation: of the two sides.
    """

    n: int
    factor: float
    error: float
    correlation: float

    @property
    def problem(self) -> str | None:
        """What is clearly wrong, with the likely cause; none if nothing is."""
        if abs(self.correlation) > 0.9 and not 0.75 < self.factor < 1.33:
            return (
                f"along {self.n} pairs of consecutive frames energies change by {self.factor:.4g} times the work of "
                f"the forces; {_cause(self.factor)}"
            )
        if self.n >= 20 and abs(self.correlation) < 0.3:
            return (
                f"along {self.n} pairs of consecutive frames the energies do not follow the work of the forces "
                f"(correlation {self.correlation:.2f}); energies and forces are of different frames or label sets"
            )
        return None


def consistency(found: Differences) -> Consistency | None:
    """Verdict on energies and forces.

    None with fewer than five pairs of consecutive frames, or with energies that differ by no more than rounding.
    """
    whole = np.isfinite(found.strain)
    energy, work = found.energy[whole], (found.work + found.strain)[whole]
    if len(energy) < 5 or not work.any() or np.sqrt((energy**2).mean()) <= 5 * found.resolution:
        return None
    return Consistency(
        n=len(energy),
        factor=float(energy @ work / (work @ work)),
        error=float(np.sqrt(((energy - work) ** 2).mean() / (energy**2).mean())),
        correlation=float(energy @ work / (np.linalg.norm(energy) * np.linalg.norm(work))),
    )


def _cause(factor: float) -> str:
    """The known mistake whose factor comes closest."""
    causes = {-1.0: "the forces are gradients: change their sign"}
    for unit, value in ENERGY.items():
        if unit != "eV":
            causes[1 / value] = f"energies are in {unit}, forces in eV/Å: convert the energies"
            causes[value] = f"forces are in {unit}/Å, energies in eV: convert the forces"
    causes[1 / LENGTH["bohr"]] = "forces are in eV/bohr: convert them to eV/Å"
    causes[ENERGY["Ha"] / LENGTH["bohr"]] = "forces are in Ha/bohr: convert them to eV/Å"
    likely = min(causes, key=lambda known: abs(np.log(abs(factor / known))) + 10 * (factor * known < 0))
    return causes[likely]


def _pair(frames: Frames, a: int, b: int) -> tuple[float, float, float] | None:
    """ΔE, work and strain energy from frame a to b; none if b does not follow a."""
    rows_a, rows_b = frames.atoms_of(a), frames.atoms_of(b)
    if not np.array_equal(frames.types[rows_a], frames.types[rows_b]):
        return None
    mean_cell = 0.5 * (frames.cell[a] + frames.cell[b])
    step, strain = _displacement(frames, a, b, mean_cell)
    if np.linalg.norm(step, axis=1).max() > STEP or np.abs(strain).max() > STRAIN:
        return None
    work = -0.5 * float(((frames.forces[rows_a] + frames.forces[rows_b]) * step).sum())
    energy = float(frames.energy[b] - frames.energy[a])
    if not strain.any():
        return energy, work, 0.0
    if frames.stress is None:
        return energy, work, np.nan
    tension = sum(abs(np.linalg.det(frames.cell[f])) * frames.stress[f] for f in (a, b))
    return energy, work, 0.5 * float((tension * strain).sum())


def _displacement(frames: Frames, a: int, b: int, mean_cell: Floats) -> tuple[Floats, Floats]:
    """Displacements beyond those of the cell, (n_atoms, 3), shortest images; and the strain, (3, 3)."""
    start, end = frames.positions[frames.atoms_of(a)], frames.positions[frames.atoms_of(b)]
    if not frames.pbc[a].any() or abs(np.linalg.det(mean_cell)) < 1e-9:
        return end - start, np.zeros((3, 3))
    step = np.linalg.solve(frames.cell[b].T, end.T).T - np.linalg.solve(frames.cell[a].T, start.T).T
    step -= np.where(frames.pbc[a], np.round(step), 0.0)
    return step @ mean_cell, np.linalg.solve(mean_cell, frames.cell[b] - frames.cell[a])
