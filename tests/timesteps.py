"""The dt² law of an input that is run with several time steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lampion.analysis.run import load_energies
from lampion.analysis.timestep import TimestepLaw, timestep_law
from lampion.pipeline.lmp.runner import run_lammps


def law_of(
    script: Path, folder: Path, dts: Sequence[float], length: float, variables: Mapping[str, str | int | float]
) -> TimestepLaw:
    """Deviation of an input's energy error from the law, over runs of the same length in fs."""
    runs = []
    for dt in dts:
        given = {**variables, "dt": dt, "steps": round(length / dt)}
        result = run_lammps(script, folder=folder / f"{dt:g}", variables=given)
        assert result.ending.ok, result.ending
        runs.append(load_energies(folder / f"{dt:g}"))
    return timestep_law([run.thermo.time_step for run in runs], [run.conserved_energy() for run in runs])
