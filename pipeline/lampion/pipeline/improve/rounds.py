"""Learning from failure: test, label what led to failures with the reference, learn it too, test again.

Folder: `data-0/` (train, valid, test of the first training), then for every round k `round-k/train`,
`round-k/model.pt`, `round-k/stability/`, `round-k/chosen.extxyz` (what is learned next), and `data-k+1/`. Every step is
a stage that is skipped when its result is there; training and test inside go on where they were stopped.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lampion.analysis.stability.model import JudgedModel
from lampion.analysis.stability.report import write_stability_report
from lampion.deploy.export import export_checkpoint
from lampion.pipeline import work
from lampion.pipeline.improve.config import ImproveConfig, finetune_overrides
from lampion.pipeline.improve.harvest import before_failure, choose, labelled
from lampion.pipeline.records import write_json
from lampion.pipeline.stability.lab import run_stability, what_is_run
from lampion.pipeline.stability.molecules import read_molecules
from lampion.pipeline.study.stages import Stage, StageRecord, run_stages
from lampion.training.config.training import load_config
from lampion.training.data.frames import check_finite, concatenate
from lampion.training.data.hdf5 import read_hdf5, write_hdf5
from lampion.training.errors import DataError
from lampion.training.labels.extxyz import read_extxyz, write_extxyz
from lampion.training.preparation.datasets import load_split
from lampion.training.preparation.split import PARTS

Announce = Callable[[str], None]
#: one of so many new frames is validated on
_VALID_EVERY = 5
#: frames labelled for one that is learned: in many of them the reference itself may make no sense
_POOL = 4


@dataclass(frozen=True)
class Round:
    """What a round came to.

    Attributes:
        number: 0 for the model as it was trained first.
        frames: it was trained on.
        figures: content of its `stability.json`.
    """

    number: int
    frames: int
    figures: dict[str, Any]

    @property
    def limit(self) -> float:
        """Upper end of the interval of the failure probability."""
        return float(self.figures["failure_probability"]["high"])


class Improvement:
    """The rounds of one folder.

    Args:
        config: what to work with.
        folder: where everything is written.
    """

    def __init__(self, config: ImproveConfig, folder: Path) -> None:
        self.config, self.folder = config, folder.resolve()
        self.overrides = finetune_overrides(config)
        self.cutoff = load_config(config.training).model.cutoff

    def run(self, announce: Announce) -> list[Round]:
        """Round after round until the target is met, the rounds are used up, or nothing is left to learn.

        Raises:
            DataError: failures of which no frame can be learned from.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        record = StageRecord(self.folder / "stages.json")
        found: list[Round] = []
        for number in range(self.config.rounds + 1):
            if number:
                run_stages([self._harvest(number - 1), self._merge(number)], record, announce)
            run_stages(self._test(number), record, announce)
            found.append(self._round(number))
            self._write(found)
            announce(self._line(found[-1]))
            if found[-1].limit <= self.config.target or not found[-1].figures["failures"]:
                break
        models = [JudgedModel(f"round {r.number}", r.figures, {"frames": r.frames}) for r in found]
        write_stability_report(models, self.folder / "report.html", title="Learning from failure")
        return found

    def data(self, number: int) -> Path:
        """Folder of the frames that round `number` is trained on."""
        return self.folder / f"data-{number}"

    def path(self, number: int) -> Path:
        """Folder of a round."""
        return self.folder / f"round-{number}"

    def _test(self, number: int) -> Iterator[Stage]:
        """Train, export and test."""
        folder, data = self.path(number), self.data(number)
        if number == 0:
            sources = (self.config.training, self.config.data, self.config.reference)
            relabelled = {"relabel": self.config.relabel}
            yield Stage("data 0", self._divide, sources, self._parts(0), relabelled, data)
        checkpoint, model = folder / "train" / "best.ckpt", folder / "model.pt"
        earlier = (self.path(number - 1) / "train" / "best.ckpt",) if number else ()
        overrides = [*self.overrides, f"finetune.checkpoint={earlier[0]}"] if earlier else []
        overrides.append(f"data.file={data}")
        train = partial(
            work.train, self.config.training, checkpoint.parent, data=None, restart=True, overrides=overrides
        )
        inputs = (self.config.training, *self._parts(number), *earlier)
        yield Stage(f"train {number}", train, inputs, (checkpoint,), {"overrides": overrides}, checkpoint.parent)
        yield Stage(f"export {number}", partial(export_checkpoint, checkpoint, model), (checkpoint,), (model,))
        stability = self.config.stability_config(model, number)
        test = partial(run_stability, stability, folder / "stability", restart=True)
        verdict = folder / "stability" / "stability.json"
        settings = {**what_is_run(stability), "criterion": stability.criterion}
        yield Stage(f"test {number}", test, (model, stability.starts), (verdict,), settings, verdict.parent)

    def _parts(self, number: int) -> tuple[Path, ...]:
        return tuple(self.data(number) / f"{name}.h5" for name in PARTS)

    def _divide(self) -> None:
        """The first training's frames, divided as its configuration says, labelled by the reference if asked for."""
        source = self.config.data
        if self.config.relabel:
            frames = labelled(read_molecules(source), self.config.reference, self.data(0) / "labels")
            check_finite(frames, f"{self.config.reference}: labels of {source}")
            source = self.data(0) / "labelled.h5"
            write_hdf5(frames, source)
        split = load_split(load_config(self.config.training, [f"data.file={source}"]).data)
        for name, path in zip(PARTS, self._parts(0), strict=True):
            write_hdf5(replace(getattr(split, name), stress=None, velocities=None), path)

    def _harvest(self, number: int) -> Stage:
        verdict, chosen = self.path(number) / "stability" / "stability.json", self.path(number) / "chosen.extxyz"
        settings = {"frames": self.config.frames, "largest_force": self.config.largest_force}
        inputs = (verdict, self.config.reference, *self._parts(number))
        return Stage(f"learn from failures of {number}", partial(self._choose, number), inputs, (chosen,), settings)

    def _choose(self, number: int) -> None:
        """Label a pool of novel frames, and choose from those in which the reference's forces are of a usual size."""
        folder = self.path(number)
        figures = json.loads((folder / "stability" / "stability.json").read_text())
        candidates = before_failure(folder / "stability" / "run", figures)
        known, n = read_hdf5(self._parts(number)[0]), self.config.frames
        pool = choose(candidates, known, self.cutoff, _POOL * n)
        if not pool:
            raise DataError(
                f"{folder}: none of {figures['failures']} failures left frames to learn from; frames are kept of "
                "replicas that the watch takes out, not of those that only drift"
            )
        found = labelled(pool, self.config.reference, folder / "labels")
        largest = np.maximum.reduceat(np.linalg.norm(found.forces, axis=1), found.offsets[:-1])
        usable = np.flatnonzero((largest <= self.config.largest_force) & np.isfinite(found.energy))
        if not len(usable):
            raise DataError(
                f"{folder}: the reference has forces above {self.config.largest_force:g} eV/Å in all {len(pool)} "
                f"frames before failures, the smallest {largest.min():.3g}; raise largest_force"
            )
        kept = choose([pool[k] for k in usable], known, self.cutoff, n)
        rows = [k for k in usable.tolist() if any(pool[k] is atoms for atoms in kept)]
        write_extxyz(found.select(rows), folder / "chosen.extxyz")

    def _merge(self, number: int) -> Stage:
        chosen, old, new = self.path(number - 1) / "chosen.extxyz", self._parts(number - 1), self._parts(number)
        return Stage(f"data {number}", partial(_add, chosen, old, new), (chosen, *old), new, {}, self.data(number))

    def _round(self, number: int) -> Round:
        figures = json.loads((self.path(number) / "stability" / "stability.json").read_text())
        return Round(number, len(read_hdf5(self._parts(number)[0])), figures)

    def _write(self, rounds: list[Round]) -> None:
        """`rounds.json`, after every round."""
        rows = [
            {
                "round": r.number,
                "frames": r.frames,
                **{name: r.figures[name] for name in ("replicas", "failures", "failure_probability", "causes")},
                "restricted_mean_time_ps": r.figures["restricted_mean_time_ps"],
            }
            for r in rounds
        ]
        write_json(self.folder / "rounds.json", {"target": self.config.target, "rounds": rows})

    def _line(self, found: Round) -> str:
        figures = found.figures
        return (
            f"round {found.number}: {found.frames} frames, {figures['failures']} of {figures['replicas']} failed: "
            f"{figures['failure_probability']['text']}"
        )


def _add(chosen: Path, old: tuple[Path, ...], new: tuple[Path, ...]) -> None:
    """The frames of before and the new ones, of which every fifth is validated on; the test frames stay."""
    frames = read_extxyz(chosen)
    numbers = np.arange(len(frames))
    held = numbers % _VALID_EVERY == _VALID_EVERY - 1
    train, valid, test = (read_hdf5(path) for path in old)
    for known, added, path in ((train, ~held, new[0]), (valid, held, new[1])):
        both = [known, frames.select(numbers[added])] if added.any() else [known]
        write_hdf5(concatenate(both), path)
    write_hdf5(test, new[2])
