"""The last frames before a failure, seen by a reference and by the training set: where do the forces go wrong?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: growth of the error from the first frames kept to its largest value that is called one
GROWTH = 3.0
#: share of the reference's own forces from which on an error is large from the start
LARGE = 0.5
#: an error that counts as none, eV/Å
SMALL = 1e-3
#: frames at either end whose median stands for it
N_ENDS = 5


@dataclass(frozen=True)
class Approach:
    """One failed replica; arrays over its last frames, None where it was not asked for.

    Attributes:
        before: (n_frames,) ps until the failure, negative before it.
        forces: (n_frames,) rms error of a force vector, eV/Å. scale: rms of the reference's own forces, eV/Å.
        energy: (n_frames,) error of the energy from that of the first frame, meV/atom.
        novelty: (n_frames,) largest distance of an atom from the training set, in units of the set's own reach.
    """

    replica: int
    cause: str
    before: Array
    forces: Array | None = None
    scale: float = float("nan")
    energy: Array | None = None
    novelty: Array | None = None

    @property
    def growth(self) -> float | None:
        """Largest force error over that of the first frames, at least 1 meV/Å; None without a number for either."""
        if self.forces is None or not np.isfinite(_start(self.forces)):
            return None
        return _largest(self.forces) / max(_start(self.forces), SMALL)

    @property
    def outside(self) -> float | None:
        """Time before the failure from which on an atom is farther from the training set than its own reach, ps.

        0: never.
        """
        if self.novelty is None:
            return None
        inside = np.flatnonzero(self.novelty <= 1.0)
        first = inside[-1] + 1 if len(inside) else 0
        return float(-self.before[first]) if first < len(self.before) else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON; what is no number becomes null."""
        curves = {
            "force_error_eV_per_A": self.forces,
            "energy_error_meV_per_atom": self.energy,
            "novelty": self.novelty,
        }
        return {
            "replica": self.replica,
            "cause": self.cause,
            "before_ps": self.before.tolist(),
            **{name: _plain(values) for name, values in curves.items() if values is not None},
            "growth": self.growth,
            "outside_ps": self.outside,
        }


def rms(forces: Array) -> float:
    """Of force vectors (n_frames, n_atoms, 3), eV/Å."""
    return float(np.sqrt(np.nanmean((forces**2).sum(axis=2))))


def force_error(found: Array, reference: Array) -> Array:
    """Rms over the atoms of |F - F_ref|, of every frame, eV/Å; (n_frames, n_atoms, 3) each."""
    return np.asarray(np.sqrt(((found - reference) ** 2).sum(axis=2).mean(axis=1)))


def energy_error(found: Array, reference: Array, n_atoms: int) -> Array:
    """E - E_ref, from its value in the first frame, meV/atom: two codes need not agree on the zero of the energy."""
    error = (found - reference) * 1000.0 / n_atoms
    return np.asarray(error - error[0])


def summary(approaches: Sequence[Approach]) -> dict[str, Any]:
    """Figures over all failures, ready for JSON."""
    judged = [one for one in approaches if one.growth is not None]
    asked = [one for one in approaches if one.novelty is not None]
    found: dict[str, Any] = {"failures": len(approaches)}
    if judged:
        found |= {
            "force_error_first_eV_per_A": _median([_start(one.forces) for one in judged]),
            "force_error_largest_eV_per_A": _median([_largest(one.forces) for one in judged]),
            "force_error_first_relative": _median([_start(one.forces) / one.scale for one in judged]),
            "growth": _median([one.growth for one in judged]),
            "n_growing": sum(one.growth is not None and one.growth >= GROWTH for one in judged),
        }
    if asked:
        found |= {
            "novelty_last": _median([_end(one.novelty) for one in asked]),
            "n_outside": sum(bool(one.outside) for one in asked),
            "outside_ps": _median([one.outside for one in asked if one.outside])
            if any(a.outside for a in asked)
            else None,
        }
    return found


def sentence(found: Mapping[str, Any]) -> str:
    """The summary in words."""
    n = found["failures"]
    told = [f"{n} failure{'s' if n != 1 else ''} looked into"]
    if "growth" in found:
        told.append(_of_errors(found))
    if "n_outside" in found:
        told.append(_of_novelty(found))
    return "; ".join(told) + "."


def _of_errors(found: Mapping[str, Any]) -> str:
    first, largest = found["force_error_first_eV_per_A"], found["force_error_largest_eV_per_A"]
    told = f"the error of the forces goes from {first:.2g} to {largest:.2g} eV/Å over the last frames"
    if found["growth"] >= GROWTH:
        of = f"{found['n_growing']} of {found['failures']}"
        return f"{told} (in {of} it grows {GROWTH:g} times or more); the model fails there"
    if (share := found["force_error_first_relative"]) >= LARGE:
        return f"{told}, {100 * share:.0f} % of the forces at the first one; the model is wrong all along"
    return f"{told}, which is no growth of {GROWTH:g} times; these frames do not show the model going wrong"


def _of_novelty(found: Mapping[str, Any]) -> str:
    if not found["n_outside"]:
        return "all of these frames are within the reach of the training set"
    return (
        f"{found['n_outside']} of {found['failures']} end outside the training set "
        f"({found['novelty_last']:.2g} times its reach), which they leave {1000 * found['outside_ps']:.0f} fs before "
        "they fail"
    )


def _start(values: Array | None) -> float:
    return float(np.median(values[:N_ENDS])) if values is not None else float("nan")


def _largest(values: Array | None) -> float:
    return float(np.nanmax(values)) if values is not None else float("nan")


def _end(values: Array | None) -> float:
    return float(np.median(values[-N_ENDS:])) if values is not None else float("nan")


def _median(values: Sequence[float | None]) -> float:
    return float(np.median([value for value in values if value is not None]))


def _plain(values: Array) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
