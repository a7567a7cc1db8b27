"""The stability lab: replicas of a molecule drawn, relaxed, run in one `lmp`, judged; continues where it stopped."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lampion.analysis.stability import PRESETS, judge
from lampion.analysis.stability.control import against
from lampion.analysis.stability.model import JudgedModel
from lampion.analysis.stability.report import write_stability_report
from lampion.deploy.modelfile import read_manifest
from lampion.pipeline import starts, work
from lampion.pipeline.molecules import read_molecules
from lampion.pipeline.progress import task
from lampion.pipeline.records import write_json
from lampion.pipeline.replay import newest_restart
from lampion.pipeline.runner import RECORD
from lampion.pipeline.shipped import shipped_path
from lampion.pipeline.stability_config import StabilityConfig
from lampion.training.errors import ConfigError, DataError
from lampion.training.files import sha256

#: keys without a say in what is run: the verdict is made anew each time
_JUDGING = {"criterion", "ranks", "reference"}


@dataclass(frozen=True)
class Folder:
    """The files of one stability run."""

    path: Path

    @property
    def start(self) -> Path:
        """Molecules as LAMMPS reads them."""
        return self.path / "start.data"

    @property
    def plan(self) -> Path:
        """What was asked for and how many starts were dropped; written after `start`."""
        return self.path / "plan.json"

    @property
    def control(self) -> "Folder":
        """The same of the reference."""
        return Folder(self.path / "reference")

    @property
    def run(self) -> Path:
        """Working folder of `lmp`."""
        return self.path / "run"

    @property
    def newest_restart(self) -> Path | None:
        """The last restart file that was written to its end."""
        return newest_restart(self.run)

    def finished(self, steps: int) -> bool:
        """Whether `lmp` came to the last step, or to the failure of the last replica.

        Energies that are no numbers, in the sum over all replicas, are the affair of the one that is taken out.
        """
        record = self.run / RECORD
        ending = json.loads(record.read_text()).get("ending", {}) if record.exists() else {}
        to_the_end = ending.get("kind") in ("complete", "nan") and ending["last_step"] == steps
        return to_the_end or "replicas have failed" in ending.get("reason", "")


def run_stability(config: StabilityConfig, out: Path, *, restart: bool) -> dict[str, Any]:
    """Run what is missing in `out`, judge, write `stability.json` and `report.html`; returns the former's content.

    Args:
        config: what to run.
        out: folder; one with an earlier run is refused unless `restart`.
        restart: continue.

    Raises:
        ConfigError: the folder holds another run.
        DataError: starts that cannot be read, or none that relaxes.
        RunFailedError: `lmp` did not end as it should.
    """
    folder = Folder(out)
    plan = _plan(config)
    if folder.plan.exists():
        _require_same(folder, plan, restart)
    else:
        _prepare(config, folder, plan)
    prepared = json.loads(folder.plan.read_text())
    if not folder.finished(config.steps):
        _simulate(config, folder, prepared["types"])
    definition = PRESETS[config.criterion]
    if config.ensemble == "nvt":
        definition = definition.with_thermostat()
    figures = judge(folder.run, definition, dropped=prepared["dropped"]).as_dict()
    control = None
    if config.reference:
        _run_control(config, config.reference, folder)
        found = judge(folder.control.run, definition, dropped=prepared["dropped"]).as_dict()
        control = JudgedModel(config.reference.stem, found)
        figures["reference"] = against(figures, found)
    write_json(out / "stability.json", figures)
    write_stability_report([JudgedModel(config.model.stem, figures)], out / "report.html", control=control)
    return figures


def what_is_run(config: StabilityConfig) -> dict[str, Any]:
    """The settings that trajectories depend on, beside model and starts."""
    return config.model_dump(mode="json", exclude=_JUDGING | {"model", "starts"})


def _run_control(config: StabilityConfig, reference: Path, folder: Folder) -> None:
    """Run what is missing of the same with the reference, from the starts and velocities of the model's replicas."""
    control, model = folder.control, sha256(reference)
    if not control.plan.exists():
        control.path.mkdir(exist_ok=True)
        types = starts.write_start(starts.read_start(folder.start), control.start, read_manifest(reference))
        write_json(control.plan, {"plan": {"model": model}, "types": types})
    prepared = json.loads(control.plan.read_text())
    if prepared["plan"]["model"] != model:
        raise ConfigError(f"{control.path}: was run with another reference; remove it, or use another folder (-o)")
    if not control.finished(config.steps):
        _simulate(config.model_copy(update={"model": reference}), control, prepared["types"])


def _plan(config: StabilityConfig) -> dict[str, Any]:
    """Everything the trajectories depend on."""
    for path in (config.model, config.starts, config.reference):
        if path and not path.is_file():
            raise ConfigError(f"{path}: no such file")
    return what_is_run(config) | {"model": sha256(config.model), "starts": sha256(config.starts)}


def _require_same(folder: Folder, plan: dict[str, Any], restart: bool) -> None:
    if not restart:
        raise ConfigError(f"{folder.path}: holds an earlier run; continue it with --restart auto, or use another (-o)")
    earlier = json.loads(folder.plan.read_text())["plan"]
    changed = [key for key in plan if earlier.get(key) != plan[key]]
    if changed:
        raise ConfigError(f"{folder.path}: its run differs in {', '.join(changed)}; use another folder (-o)")


def _prepare(config: StabilityConfig, folder: Folder, plan: dict[str, Any]) -> None:
    """Draw, relax, set in motion, write."""
    rng = np.random.default_rng(config.seed)
    molecules = read_molecules(config.starts)
    n_drawn = min(config.replicas, len(molecules))
    drawn = [molecules[k] for k in rng.choice(len(molecules), n_drawn, replace=False)]
    with task("relaxing") as shown:
        found = starts.relax(
            drawn,
            config.model,
            fmax=config.relax_fmax,
            steps=config.relax_steps,
            progress=lambda done, total: shown.update(done, total, "starts"),
        )
    if not found.molecules:
        raise DataError(
            f"{config.starts}: none of {n_drawn} starts relaxed below {config.relax_fmax} eV/Å in {config.relax_steps} "
            "steps; the model has no minimum near them"
        )
    starts.set_in_motion(found.molecules, config.kelvin, rng)
    folder.path.mkdir(parents=True, exist_ok=True)
    types = starts.write_start(found.molecules, folder.start, read_manifest(config.model))
    write_json(folder.plan, {"plan": plan, "types": types, "dropped": found.dropped, "drawn": n_drawn})


def _simulate(config: StabilityConfig, folder: Folder, types: dict[str, str]) -> None:
    variables: dict[str, str | float] = {
        "model": str(config.model.resolve()),
        "data": str(folder.start.resolve()),
        **types,
        "dt": config.femtoseconds,
        "steps": config.steps,
    }
    if config.ensemble == "nvt":
        variables |= {"T": config.kelvin, "seed": config.seed}
    if restart := folder.newest_restart:
        variables["resume"] = str(restart.resolve())
    script = shipped_path(f"lammps_inputs/stability/{config.ensemble}.in")
    result = work.run_shown(script, folder.run, variables, ranks=config.ranks, force=True)
    if not folder.finished(config.steps):
        raise work.failed(result)


def summary_lines(figures: dict[str, Any]) -> list[str]:
    """The verdict in a few lines."""
    causes = ", ".join(f"{name} {count}" for name, count in figures["causes"].items()) or "none"
    lines = [
        f"{figures['failures']} of {figures['replicas']} failed ({figures['dropped']} starts dropped): "
        f"{figures['failure_probability']['text']}",
        f"causes: {causes}",
    ]
    if drift := figures["drift"]:
        lines.append(f"drift: {_spell(drift)}")
    if control := figures.get("reference"):
        lines.append(
            f"reference: {control['failures']} of {control['replicas']} failed, log-rank p = {control['p']:.2g}"
            + (f"; drift: {_spell(control['drift'])}" if control["drift"] else "")
        )
        if difference := control["drift_difference"]:
            lines.append(f"drift beyond the reference's: {_spell(difference)}")
    return lines


def _spell(drift: dict[str, Any]) -> str:
    return f"{drift['value']:.2g} ({drift['low']:.2g} to {drift['high']:.2g}) {drift['unit']}"
