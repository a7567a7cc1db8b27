"""First failure of every replica of a run, with its cause."""

from collections.abc import Iterator

from lampion.analysis.errors import RunError
from lampion.analysis.stability.conformations import Conformation, conformational_changes
from lampion.analysis.stability.definition import Definition
from lampion.analysis.stability.failure import Cause, Failure
from lampion.analysis.stability.folder import Watched
from lampion.analysis.stability.geometry import geometry_failures
from lampion.analysis.stability.removals import removal_failure
from lampion.analysis.stability.state import state_failures


def first_failures(watched: Watched, definition: Definition) -> dict[int, Failure | None]:
    """Replica -> its earliest failure, None for a survivor.

    A replica the watch took out has failed under every definition, as nobody knows what it would have done.

    Raises:
        RunError: the definition needs positions and the run wrote none.
    """
    if definition.needs_positions and not watched.sampled:
        raise RunError(
            f"{watched.record.path.parent}: definition {definition.name} is about positions; "
            "write them with `dump d all custom 100 trajectory.dump id type element xu yu zu`"
        )
    replicas = sorted({*watched.record.replicas, *watched.removals})
    return {
        replica: min(_candidates(replica, watched, definition), key=lambda failure: failure.time, default=None)
        for replica in replicas
    }


def _candidates(replica: int, watched: Watched, definition: Definition) -> Iterator[Failure]:
    """All that is held against a replica; of several at one time, the first named here counts."""
    record = watched.record
    if removal := watched.removals.get(replica):
        time = (removal.step - record.first_step) * record.header.time_step
        yield removal_failure(removal, time, record.header, watched.kept.get(replica), definition)
    if replica in watched.sampled:
        yield from geometry_failures(replica, watched.sampled[replica], definition)
    if series := record.replicas.get(replica):
        yield from state_failures(replica, series, len(record.header.elements), definition)
        last = float(series.time[-1])
        # The sample of the very last step may be missing where the run was killed while writing it.
        if removal is None and last < record.end - 1.5 * record.interval:
            yield Failure(replica, last + record.interval, Cause.UNKNOWN, "missing")


def conformations(watched: Watched, definition: Definition) -> dict[int, list[Conformation]]:
    """Replica -> its changes of shape; only of runs that wrote their positions."""
    found = {r: conformational_changes(trajectory, definition) for r, trajectory in watched.sampled.items()}
    return {replica: changes for replica, changes in found.items() if changes}
