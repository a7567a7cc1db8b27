"""The stability lab: replicas prepared, run in `lmp`, judged; continues where it stopped.

Replicas of a molecule share one box and one run, invisible to each other; those of a periodic system run one by one.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from lampion.analysis.stability import PRESETS, judge
from lampion.analysis.stability.control import against
from lampion.analysis.stability.definition import Definition
from lampion.analysis.stability.model import JudgedModel
from lampion.analysis.stability.report import write_stability_report
from lampion.deploy.modelfile import read_manifest
from lampion.pipeline import work
from lampion.pipeline.lmp.failure import failed
from lampion.pipeline.records import write_json
from lampion.pipeline.shipped import shipped_path
from lampion.pipeline.stability import layout, periodic
from lampion.pipeline.stability.config import StabilityConfig
from lampion.pipeline.stability.folder import Folder
from lampion.pipeline.stability.starts import prepare
from lampion.training.errors import ConfigError
from lampion.training.files import sha256

#: keys without a say in what is run: the verdict is made anew each time
_JUDGING = {"criterion", "ranks", "reference"}


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
        write_json(folder.plan, {"plan": plan, **prepare(config, folder)})
    _require_positions(folder, config)
    _simulate_all(config, folder)
    if config.reference:
        _run_control(config, config.reference, folder)
    return _verdict(config, folder)


def judge_so_far(config: StabilityConfig, out: Path) -> dict[str, Any]:
    """Judge what has been run in `out` until now, while it goes on or after it was stopped; nothing is run.

    Of a periodic system the replicas that came to their end are judged. The reference is left out, since it runs when
    the model is done. Arguments and files as of `run_stability`.

    Raises:
        ConfigError: the folder holds no run, or another one.
        RunError: nothing to judge yet.
    """
    folder = Folder(out)
    if not folder.plan.exists():
        raise ConfigError(f"{out}: holds no run to judge")
    _require_same(folder, _plan(config), restart=True)
    _require_positions(folder, config)
    return _verdict(config.model_copy(update={"reference": None}), folder)


def _verdict(config: StabilityConfig, folder: Folder) -> dict[str, Any]:
    """Judge what lies in the folder and write it down."""
    figures, control = _judged(config, folder), None
    if config.reference:
        found = _judged(config, folder.control)
        control = JudgedModel(config.reference.stem, found)
        figures["reference"] = against(figures, found)
    write_json(folder.path / "stability.json", figures)
    write_stability_report([JudgedModel(config.model.stem, figures)], folder.path / "report.html", control=control)
    return figures


def _judged(config: StabilityConfig, folder: Folder) -> dict[str, Any]:
    prepared = folder.prepared
    if folder.parts != [folder]:
        periodic.gather(folder, config.steps)
    return judge(folder.run, _definition(config, prepared), dropped=prepared["dropped"]).as_dict()


def what_is_run(config: StabilityConfig) -> dict[str, Any]:
    """The settings that trajectories depend on, beside model and starts."""
    return config.model_dump(mode="json", exclude=_JUDGING | {"model", "starts"})


def _definition(config: StabilityConfig, prepared: dict[str, Any]) -> Definition:
    """What counts as a failure: without a drift under a thermostat, and without bonds where they have no end."""
    definition = PRESETS[config.criterion]
    if config.ensemble == "nvt":
        definition = definition.with_thermostat()
    return replace(definition, bonds=False) if prepared.get("endless") else definition


def _require_positions(folder: Folder, config: StabilityConfig) -> None:
    definition = PRESETS[config.criterion]
    if definition.needs_positions and not folder.prepared.get("sample"):
        raise ConfigError(
            f"{folder.path}: {definition.name} is about the positions of molecules during the run, which this one does "
            "not keep; run it with that criterion from the start, in another folder (-o)"
        )


def _run_control(config: StabilityConfig, reference: Path, folder: Folder) -> None:
    """Run what is missing of the same with the reference, from the starts and velocities of the model's replicas."""
    control, model = folder.control, sha256(reference)
    if not control.plan.exists():
        types = _copy_starts(folder, control, reference)
        write_json(control.plan, folder.prepared | {"plan": {"model": model}, "types": types})
    if control.prepared["plan"]["model"] != model:
        raise ConfigError(f"{control.path}: was run with another reference; remove it, or use another folder (-o)")
    _simulate_all(config.model_copy(update={"model": reference}), control)


def _copy_starts(folder: Folder, control: Folder, reference: Path) -> dict[str, str]:
    """The same starts for another model; what the types of its atoms are."""
    manifest, parts = read_manifest(reference), folder.parts
    if parts == [folder]:
        control.path.mkdir(exist_ok=True)
        return layout.write_start(layout.read_start(folder.start), control.start, manifest)
    for number, part in enumerate(parts, 1):
        control.replica(number).path.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(part.start, control.replica(number).start)
    return periodic.type_names(layout.read_start(parts[0].start)[0], manifest)


def _plan(config: StabilityConfig) -> dict[str, Any]:
    """Everything the trajectories depend on."""
    for path in (config.model, config.starts, config.reference):
        if path and not path.is_file():
            raise ConfigError(f"{path}: no such file")
    return what_is_run(config) | {"model": sha256(config.model), "starts": sha256(config.starts)}


def _require_same(folder: Folder, plan: dict[str, Any], restart: bool) -> None:
    if not restart:
        raise ConfigError(f"{folder.path}: holds an earlier run; continue it with --restart auto, or use another (-o)")
    earlier = folder.prepared["plan"]
    changed = [key for key in plan if earlier.get(key) != plan[key]]
    if changed:
        raise ConfigError(f"{folder.path}: its run differs in {', '.join(changed)}; use another folder (-o)")


def _simulate_all(config: StabilityConfig, folder: Folder) -> None:
    """Run what is missing, in one `lmp` after the other."""
    prepared = folder.prepared
    for number, part in enumerate(folder.parts):
        if not part.finished(config.steps):
            seed = config.seed + number  # of a bath of its own
            _simulate(config, part, seed, prepared)


def _simulate(config: StabilityConfig, folder: Folder, seed: int, prepared: dict[str, Any]) -> None:
    variables: dict[str, str | float] = {
        "model": str(config.model.resolve()),
        "data": str(folder.start.resolve()),
        **prepared["types"],
        "dt": config.femtoseconds,
        "steps": config.steps,
        "sample": prepared.get("sample", 0),
        **prepared.get("watch", {}),
    }
    if config.ensemble == "nvt":
        variables |= {"T": config.kelvin, "seed": seed}
    if restart := folder.newest_restart:
        variables["resume"] = str(restart.resolve())
    script = shipped_path(f"lammps_inputs/stability/{config.ensemble}.in")
    result = work.run_shown(script, folder.run, variables, ranks=config.ranks, force=True)
    if not folder.finished(config.steps):
        raise failed(result)


def summary_lines(figures: dict[str, Any]) -> list[str]:
    """The verdict in a few lines."""
    causes = ", ".join(f"{name} {count}" for name, count in figures["causes"].items()) or "none"
    lines = [
        f"{figures['failures']} of {figures['replicas']} failed in {figures['horizon_ps']:g} ps "
        f"({figures['dropped']} starts dropped): "
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
