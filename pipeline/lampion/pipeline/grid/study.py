"""A study of many models: each trained, exported and put to the test, by any number of processes in one folder.

Folder: `data/` (frames and starts, the same for all), `models/NAME/` (training, model file, stability run, and last of
all `outcome.json`), `workers.jsonl` (what the processes did with their time). Who works on a model holds a lock in its
folder, which the kernel releases when the process dies; whoever comes next goes on where that one stopped.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from lampion.deploy.export import export_checkpoint
from lampion.pipeline import work
from lampion.pipeline.grid.config import Grid, GridModel
from lampion.pipeline.grid.data import GridData
from lampion.pipeline.grid.learning import why_left_out
from lampion.pipeline.locks import FileLock
from lampion.pipeline.records import write_json
from lampion.pipeline.stability.config import StabilityConfig
from lampion.pipeline.stability.lab import run_stability, what_is_run
from lampion.pipeline.study.model_form import machine_of, require_compiler
from lampion.pipeline.study.stages import Stage, StageRecord, run_stages
from lampion.training.errors import ConfigError
from lampion.training.loop.checkpoint import read_checkpoint

Announce = Callable[[str], None]
#: exit codes of errors that are findings about a model: its data or its physics, not the machine
FINDINGS = (3, 4)
#: keys of a training configuration that do not change what is learned
_PLACES = {"file", "valid_file", "test_file"}


@dataclass(frozen=True)
class Outcome:
    """What became of a model.

    Attributes:
        key: fingerprint of all that went in.
        kind: judged; left out by its learning curve; failed on the way to a verdict.
        reason: of the latter two.
        errors: of the training on its test frames.
        seconds: of every stage.
    """

    key: str
    kind: Literal["judged", "left out", "failed"]
    reason: str | None
    errors: dict[str, float] | None
    seconds: dict[str, float]


class GridStudy:
    """One study in one folder.

    Args:
        grid: the models.
        data: labelled frames of the molecule.
        folder: where everything is written.
    """

    def __init__(self, grid: Grid, data: Path, folder: Path) -> None:
        self.grid, self.folder = grid, folder.resolve()
        self.data = GridData(grid, data, self.folder / "data")
        self.data_key = self.data.stage().key()

    def prepare(self) -> None:
        """Pack the frames and draw the starts, once for all models.

        Raises:
            ConfigError: fewer frames than the largest training needs; compiled models, but no compiler.
            DataError: frames that cannot be read or trained on.
        """
        require_compiler(self.grid.config.compiled)
        with FileLock(self.folder / "data.lock"):
            run_stages([self.data.stage()], StageRecord(self.folder / "data.json"), lambda _: None)

    def run(self, models: Sequence[GridModel], announce: Announce, *, wait: bool = False) -> float:
        """Work on all models that are not finished; those held by another process only if told to `wait`.

        Returns:
            Seconds spent in training, export and test.
        """
        worked = 0.0
        for model in models:
            lock = FileLock(self.path(model) / ".lock")
            if not lock.acquire(wait=wait):
                continue
            try:
                if self.finished(model):
                    continue
                announce(f"{model.name}: {self.state(model)}")
                before = sum(StageRecord(self.path(model) / "stages.json").seconds.values())
                with logged(self.path(model) / "log.txt"):
                    outcome = self._run_model(model)
                worked += sum(outcome.seconds.values()) - before
                announce(f"{model.name}: {self._line(model, outcome)}")
            finally:
                lock.release()
        return worked

    def path(self, model: GridModel) -> Path:
        """Folder of a model."""
        return self.folder / "models" / model.name

    def outcome(self, model: GridModel) -> Outcome | None:
        """What became of a model with the present settings and data; None if that is not known yet."""
        path = self.path(model) / "outcome.json"
        found = Outcome(**json.loads(path.read_text())) if path.exists() else None
        return found if found and found.key == self._key(model) else None

    def finished(self, model: GridModel) -> bool:
        """Whether there is nothing left to do for a model."""
        return self.outcome(model) is not None

    def figures(self, model: GridModel) -> dict[str, Any]:
        """Content of `stability.json` of a model that was judged."""
        content: dict[str, Any] = json.loads((self.path(model) / "stability" / "stability.json").read_text())
        return content

    def state(self, model: GridModel) -> str:
        """One word or two for a list of models."""
        outcome = self.outcome(model)
        if outcome:
            return outcome.kind
        return "begun" if (self.path(model) / "stages.json").exists() else "to do"

    def _run_model(self, model: GridModel) -> Outcome:
        folder = self.path(model)
        record = StageRecord(folder / "stages.json")
        (folder / "outcome.json").unlink(missing_ok=True)
        kind: Literal["judged", "left out", "failed"] = "judged"
        errors, reason = None, None
        train, *test = self._stages(model)
        try:
            run_stages([train], record, print)
            errors = read_checkpoint(folder / "train" / "best.ckpt").get("test_errors")
            reason = why_left_out(folder / "train" / "metrics.jsonl")
            if reason:
                kind = "left out"
            else:
                run_stages(test, record, print)
                self._judge_again(model)
        except Exception as error:
            if getattr(error, "exit_code", None) not in FINDINGS:
                raise
            kind, reason = "failed", str(error)
        outcome = Outcome(self._key(model), kind, reason, errors, record.seconds)
        write_json(folder / "outcome.json", asdict(outcome))
        return outcome

    def _stages(self, model: GridModel) -> list[Stage]:
        folder = self.path(model)
        checkpoint, stability = folder / "train" / "best.ckpt", folder / "stability"
        config = self._test(model)
        overrides = [*model.overrides, f"data.file={self.data.frames}"]
        train = partial(work.train, self.grid.training, folder / "train", data=None, restart=True, overrides=overrides)
        export = partial(export_checkpoint, checkpoint, config.model)
        machine = machine_of(self.grid.config.compiled)
        run = partial(run_stability, config, stability, restart=True)
        tested = what_is_run(config)
        return [
            Stage("train", train, (), (checkpoint,), self._learned(model), checkpoint.parent),
            Stage("export", export, (checkpoint,), (config.model,), machine),
            Stage("stability", run, (config.model, config.starts), (stability / "stability.json",), tested, stability),
        ]

    def _test(self, model: GridModel) -> StabilityConfig:
        """What is done with the exported model."""
        return self.grid.stability_config(self.path(model) / self.grid.file_name, self.data.starts)

    def _judge_again(self, model: GridModel) -> None:
        """Judge a finished run by the present criterion, if it was judged by another one."""
        config = self._test(model)
        if self.figures(model)["definition"]["name"] != config.criterion:
            run_stability(config, self.path(model) / "stability", restart=True)

    def _learned(self, model: GridModel) -> dict[str, Any]:
        """All that a training depends on."""
        config = self.grid.train_config(model, self.data.frames).model_dump(mode="json")
        config["data"] = {key: value for key, value in config["data"].items() if key not in _PLACES}
        return {"training": config, "data": self.data_key}

    def _key(self, model: GridModel) -> str:
        config = self.grid.stability_config(Path("model.pt"), Path("starts.h5"))
        content = [self._learned(model), what_is_run(config), config.criterion]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _line(self, model: GridModel, outcome: Outcome) -> str:
        if outcome.reason:
            return f"{outcome.kind}: {outcome.reason}"
        figures = self.figures(model)
        return f"{figures['failures']} of {figures['replicas']} failed"


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Context in which what is printed goes to the end of a file: models that run at once would talk at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        yield


def chosen(grid: Grid, names: Sequence[str]) -> tuple[GridModel, ...]:
    """The models of these names, all for no names.

    Raises:
        ConfigError: a name that is none.
    """
    known = {model.name: model for model in grid.models}
    for name in names:
        if name not in known:
            raise ConfigError(f"--model {name}: the grid has no such model; list them with --dry-run")
    return tuple(known[name] for name in names) if names else grid.models
