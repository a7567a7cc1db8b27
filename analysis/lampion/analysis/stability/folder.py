"""A folder of watched replicas: its record, its failures, the frames kept before each, and a sampled run if any."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from lampion.analysis.errors import RunError
from lampion.analysis.stability.records import (
    FAILURE_COLUMNS,
    RECORD_COLUMNS,
    Record,
    Removal,
    columns_of,
    read_failures,
    read_record,
)
from lampion.analysis.stability.trajectory import Trajectory, read_trajectories

#: a resumed run writes another file
SAMPLED = "trajectory*.dump"
_KEPT = re.compile(r"\.(\d+)\.dump$")


@dataclass(frozen=True)
class Watched:
    """What a run of replicas left.

    Attributes:
        removals: replica -> why it was taken out.
        kept: replica -> its last frames, where they were written; times count from the start of the record.
        sampled: replica -> positions over the whole run, empty if the run wrote none.
    """

    record: Record
    removals: dict[int, Removal]
    kept: dict[int, Trajectory]
    sampled: dict[int, Trajectory]


def read_watched(folder: Path) -> Watched:
    """Read record and failures, whatever their names, `PREFIX.<replica>.dump` and `trajectory*.dump`, if there are any.

    Raises:
        RunError: no record or failures, or several; a file damaged; a failed replica the run does not have; neither a
            sample nor a failure.
    """
    record = read_record(_only(folder, RECORD_COLUMNS))
    path = _only(folder, FAILURE_COLUMNS)
    removals = {removal.replica: removal for removal in read_failures(path)}
    if not record.replicas:
        record = _all_failed_at_once(record, removals)
    for replica, removal in removals.items():
        if removal.step < record.first_step or not set(removal.pair) <= set(range(len(record.header.elements) + 1)):
            raise RunError(f"{path}: the failure of replica {replica} is not of the run of {record.path.name}")
    kept: dict[int, Trajectory] = {}
    for dump in sorted(folder.glob("*.dump")):
        number = _KEPT.search(dump.name)
        # Nothing is in the file of a replica of which an atom was gone at once.
        if number and (replica := int(number[1])) in removals and dump.stat().st_size:
            # Its ids count from 1, whichever replica it is; none if not even one frame has all atoms.
            frames = read_trajectories([dump], record.header, record.first_step)
            if 1 in frames:
                kept[replica] = frames[1]
    sampled = sorted(folder.glob(SAMPLED))
    whole = read_trajectories(sampled, record.header, record.first_step) if sampled else {}
    return Watched(record, removals, kept, whole)


def _all_failed_at_once(record: Record, removals: dict[int, Removal]) -> Record:
    """The record of a run in which nothing was left to be sampled, as when starts relax into what is no molecule."""
    if not removals:
        raise RunError(f"{record.path}: no samples; the run stopped before its first step or was not watched")
    return replace(record, first_step=min(removal.step for removal in removals.values()))


def _only(folder: Path, columns: list[str]) -> Path:
    """The one file of the fix with these columns; its name is up to the input."""
    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder; give the folder of a run with fix lampion/replicas")
    found = [path for path in sorted(folder.iterdir()) if path.is_file() and columns_of(path) == columns]
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise RunError(
            f"{folder}: one file of fix lampion/replicas with columns {' '.join(columns[:3])} ... is expected, "
            f"found {names}; give the folder of one run"
        )
    return found[0]
