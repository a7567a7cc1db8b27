"""Energy traces worth a look: the worst replicas, typical ones, and those that failed first."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lampion.analysis.stability.failure import Failure
from lampion.analysis.stability.records import Record, Series

N_EACH = 3
_POINTS = 500


def traces(record: Record, failures: Mapping[int, Failure | None]) -> dict[str, list[dict[str, Any]]]:
    """Total energy from its first sample, meV/atom, of a few replicas of three sorts.

    `failed`: the first ones to fail. Of the survivors, by the largest distance of the energy from its start: `worst`,
    the largest ones; `typical`, those about the median.
    """
    n_atoms = len(record.header.elements)
    failed = [failure for failure in failures.values() if failure and failure.replica in record.replicas]
    first = [failure.replica for failure in sorted(failed, key=lambda failure: failure.time)[:N_EACH]]
    survivors = [replica for replica, failure in failures.items() if failure is None]
    ordered = sorted(survivors, key=lambda replica: _reach(record.replicas[replica]))
    middle = max(0, (len(ordered) - N_EACH) // 2)
    chosen = {"failed": first, "worst": ordered[::-1][:N_EACH], "typical": ordered[middle : middle + N_EACH]}
    return {
        sort: [_trace(replica, record.replicas[replica], n_atoms) for replica in replicas]
        for sort, replicas in chosen.items()
    }


def _reach(series: Series) -> float:
    return float(np.abs(series.energy - series.energy[0]).max())


def _trace(replica: int, series: Series, n_atoms: int) -> dict[str, Any]:
    """At most 500 of the finite samples, the last one among them: a blow-up is at the end."""
    finite = np.flatnonzero(np.isfinite(series.energy))
    at = finite[np.unique(np.linspace(0, len(finite) - 1, min(_POINTS, len(finite))).astype(int))]
    gain = (series.energy[at] - series.energy[at[:1]]) * 1000.0 / n_atoms
    return {"replica": replica, "time_ps": series.time[at].tolist(), "energy_meV_per_atom": gain.tolist()}
