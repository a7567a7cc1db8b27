"""One failure of one replica: when, of what, and by which atoms."""

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Causes that compete; the first one wins."""

    DRIFT = "energy drift"
    EXPLOSION = "explosion"
    COLLISION = "collision"
    HYDROGEN_LOSS = "hydrogen loss"
    CLEAVAGE = "heavy-atom cleavage"
    RING_OPENING = "ring opening"
    HYDROGEN_ENTRY = "hydrogen entering another atom"
    MERGING = "merging of atoms"
    PROTON_TRANSFER = "proton transfer"
    BOND_LENGTH = "bond length"
    LOST = "lost atoms"
    UNKNOWN = "not recorded"


@dataclass(frozen=True)
class Failure:
    """A replica left the molecule it started as.

    Attributes:
        replica: number, 1 the first.
        time: ps from the start to the first sample of the excursion.
        criterion: what found it, such as `force` or `bonds`.
        pair: atoms, 1 the first of the replica; 0 for none.
        value: what broke the limit, in eV/Å, K, Å or eV/atom; NaN for none.
        precursor: change of the bond graph under way when the replica was taken out for another cause.
    """

    replica: int
    time: float
    cause: Cause
    criterion: str
    pair: tuple[int, int] = (0, 0)
    value: float = float("nan")
    precursor: Cause | None = None
