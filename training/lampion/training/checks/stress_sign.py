"""Is the stress label positive under tension, as ASE counts it, and in the right unit?

Three independent ways, each for data it is valid for; where none applies, nothing is claimed:

- frames that follow each other while the cell changes: the energy difference that the atoms' work leaves over is the
  work of the stress, V σ:Δε (`label_consistency`);
- a cluster in a box whose atoms do not reach their own images: V σ = -Σ r_i ⊗ F_i, exactly;
- one composition at several volumes: a solid or liquid that is compressed pushes back (positive bulk modulus), so the
  tension rises with the volume. Different structures of one composition may break this rule, so it is only a warning.
"""

from dataclasses import dataclass

import numpy as np

from lampion.training.checks.consistency import Differences, differences
from lampion.training.data.frames import Floats, Frames, Ints, composition

#: empty space that separates a cluster from its images, Å
VACUUM = 8.0
STRAIN, CLUSTER, VOLUMES = "strain energy", "cluster virial", "bulk modulus"
SAMPLES = 500


@dataclass(frozen=True)
class StressEvidence:
    """One way's answer.

    Attributes:
        way: which one.
        factor: label divided by what it should be; for the volume trend the sign only.
        correlation: between label and expectation, -1 to 1.
        n: pairs or frames it rests on.
    """

    way: str
    factor: float
    correlation: float
    n: int

    @property
    def problem(self) -> str | None:
        """What is clearly wrong with the label, and the remedy; none if nothing is."""
        basis = f"by {self.way} (correlation {self.correlation:.2f}, n = {self.n})"
        if self.correlation < -0.7:
            return (
                f"{basis} the stress has the wrong sign: positive under compression, as VASP and LAMMPS write a "
                "pressure; convert the original file with --compression-positive"
            )
        if self.is_exact and self.correlation > 0.8 and not 1 / 3 < self.factor < 3:
            return (
                f"{basis} the stress is {self.factor:.3g} times what the energies and forces imply; its unit is not "
                "the declared one: give --stress-unit (kbar, GPa, eV/Å³) for the original file"
            )
        return None

    @property
    def is_exact(self) -> bool:
        """Whether the way is an identity; the trend over volumes may mislead where structures differ."""
        return self.way != VOLUMES


def stress_evidence(frames: Frames, found: Differences) -> list[StressEvidence]:
    """What the three ways say; those that do not apply are left out."""
    if frames.stress is None:
        return []
    strain = _from_strain(found) or _from_strain(differences(frames, _by_volume(frames)))
    ways = (strain, _from_clusters(frames), _from_volumes(frames))
    return [evidence for evidence in ways if evidence is not None]


def _by_volume(frames: Frames) -> Ints:
    """Frames of one composition ordered by volume: brings the members of a shuffled set of strained cells together."""
    return np.lexsort((np.abs(np.linalg.det(frames.cell)), *composition(frames).T))


def _from_strain(found: Differences) -> StressEvidence | None:
    """Energy left over by the atoms' work, against the work of the stress."""
    strained = np.isfinite(found.strain) & (np.abs(found.strain) > 1e-6)
    return _evidence(STRAIN, found.strain[strained], (found.energy - found.work)[strained])


def _from_clusters(frames: Frames) -> StressEvidence | None:
    """Diagonal of the virial Σ r_i ⊗ F_i of clusters in vacuum, against -V σ."""
    labels, expected = [], []
    for f in np.unique(np.linspace(0, len(frames) - 1, min(SAMPLES, len(frames))).astype(int)):
        positions = frames.positions[frames.atoms_of(f)]
        if _separated(positions, frames.cell[f]):
            virial = positions.T @ frames.forces[frames.atoms_of(f)]
            labels.append(-abs(np.linalg.det(frames.cell[f])) * np.diag(frames.stress[f]))  # type: ignore[index]
            expected.append(np.diag(virial))
    return _evidence(CLUSTER, np.ravel(labels), np.ravel(expected))


def _separated(positions: Floats, cell: Floats) -> bool:
    """Whether the atoms as written stay apart from their images along every cell vector."""
    volume = abs(np.linalg.det(cell))
    if volume < 1e-9:
        return False
    normals = np.linalg.inv(cell).T
    heights = 1.0 / np.linalg.norm(normals, axis=1)
    extent = np.ptp(positions @ (normals * heights[:, None]).T, axis=0)
    return bool((heights - extent > VACUUM).all())


def _from_volumes(frames: Frames) -> StressEvidence | None:
    """Mean tension against volume, of the composition with the widest range of volumes (at least 3 % of them)."""
    volumes = np.abs(np.linalg.det(frames.cell))
    _, kind = np.unique(composition(frames), axis=0, return_inverse=True)
    kind = kind.ravel()
    spread = {int(k): float(np.ptp(volumes[kind == k]) / max(volumes[kind == k].mean(), 1e-9)) for k in np.unique(kind)}
    widest = max(spread, key=lambda k: spread[k])
    chosen = (kind == widest) & frames.pbc.all(axis=1)
    if spread[widest] < 0.03 or chosen.sum() < 4:
        return None
    tension = np.trace(frames.stress[chosen], axis1=1, axis2=2) / 3  # type: ignore[index]
    found = _evidence(VOLUMES, tension - tension.mean(), volumes[chosen] - volumes[chosen].mean())
    return (
        None if found is None else StressEvidence(found.way, float(np.sign(found.factor)), found.correlation, found.n)
    )


def _evidence(way: str, label: Floats, expected: Floats) -> StressEvidence | None:
    if len(label) < 4 or not label.any() or not expected.any():
        return None
    overlap = float(label @ expected)
    return StressEvidence(
        way,
        overlap / float(expected @ expected),
        overlap / float(np.linalg.norm(label) * np.linalg.norm(expected)),
        len(label),
    )
