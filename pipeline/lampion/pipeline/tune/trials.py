"""Hyperparameter search: trainings in one folder, shared by any number of processes, resumable at any moment.

Folder: `study.journal` (all trials, appended to), `trial-0000/` ... (ordinary training folders), `trials.csv`,
`best.yaml`. Who works on a trial holds a lock in its folder, which the kernel releases when the process dies; a trial
that runs and is not locked was left behind, and whoever comes next goes on with it from its last checkpoint.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
import yaml
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from lampion.pipeline.locks import FileLock
from lampion.pipeline.tune.record import write_best, write_table
from lampion.pipeline.tune.space import load_search
from lampion.training.config.training import TrainConfig, load_config
from lampion.training.errors import ConfigError, DivergedError
from lampion.training.files import atomic_path
from lampion.training.loop.train import InterruptedTrainingError, Training
from lampion.training.preparation.datasets import load_split

Announce = Callable[[str], None]


class MetricError(ConfigError):
    """The metric to minimise is none that the training writes."""


@dataclass(frozen=True)
class Claim:
    """A trial this process works on, and the lock that says so."""

    trial: optuna.Trial
    overrides: list[str]
    folder: Path
    lock: FileLock


class Tuning:
    """One search in one folder.

    Args:
        config: YAML training configuration to start from.
        search: YAML search, see `search.SearchConfig`.
        folder: where everything is written.

    Raises:
        ConfigError: config or search is wrong, or the folder holds another search.
        DataError: the data cannot be read.
    """

    def __init__(self, config: Path, search: Path, folder: Path) -> None:
        self.config, self.folder = config, folder
        self.search, base = load_search(search, config)
        load_split(base.data)
        folder.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study = self._open(folder / "study.journal", base)

    def run(self, n_trials: int, announce: Announce, *, seconds: float = math.inf) -> None:
        """Train until the study has `n_trials` trials, those of other processes included.

        Args:
            n_trials: trials in all, whatever became of them.
            announce: gets one line per trial.
            seconds: no trial is begun later than that.

        Raises:
            InterruptedTrainingError: a signal; the trial goes on when the search does.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (claim := self._claim(n_trials)) is not None:
            try:
                self._train(claim)
            finally:
                claim.lock.release()
            self._record()
            announce(self._line(self.study.trials[claim.trial.number]))

    def folder_of(self, number: int) -> Path:
        """Training folder of a trial."""
        return self.folder / f"trial-{number:04d}"

    @property
    def best(self) -> FrozenTrial:
        """The best trial that was trained to its end.

        Raises:
            ConfigError: there is none.
        """
        finished = [trial for trial in self.study.trials if trial.state == TrialState.COMPLETE]
        if not finished:
            reasons = [trial.user_attrs["reason"] for trial in self.study.trials if "reason" in trial.user_attrs]
            because = f"; the first that failed: {reasons[0]}" if reasons else ""
            raise ConfigError(f"{self.folder}: no trial was trained to its end{because}")
        return min(finished, key=lambda trial: cast(float, trial.value))

    def _open(self, journal: Path, base: TrainConfig) -> optuna.Study:
        """The study of the folder, begun or continued."""
        lock = FileLock(journal.with_suffix(".lock"))
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal), lock_obj=cast(Any, lock)))
        origin = json.loads(json.dumps({"config": base.model_dump(mode="json"), "search": self.search.model_dump()}))
        with FileLock(self.folder / "claim.lock"):
            study = optuna.create_study(
                storage=storage, study_name="lampion", direction="minimize", load_if_exists=True, pruner=self._pruner()
            )
            known = study.user_attrs.setdefault("origin", origin)
            if known != origin:
                raise ConfigError(f"{self.folder}: holds a search with another configuration; use another folder (-o)")
            study.set_user_attr("origin", origin)
        return study

    def _pruner(self) -> optuna.pruners.BasePruner:
        """Stops a trial that is worse than the median of the others at the same epoch."""
        return optuna.pruners.MedianPruner(self.search.startup_trials, self.search.warmup_epochs + 1)

    def _sampler(self, n_before: int) -> optuna.samplers.BaseSampler:
        """Seeded by the trials there are, so that an interrupted search chooses as an uninterrupted one does."""
        seed = int(np.random.SeedSequence([self.search.seed, n_before]).generate_state(1)[0])
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=self.search.startup_trials)

    def _claim(self, n_trials: int) -> Claim | None:
        """A trial left behind by a dead process, or a new one; none if there are enough."""
        with FileLock(self.folder / "claim.lock"):
            trials = self.study.get_trials(deepcopy=False)
            for left in (trial for trial in trials if trial.state == TrialState.RUNNING):
                self.study.sampler = self._sampler(left.number)
                if claim := self._lock(optuna.Trial(self.study, left._trial_id)):
                    return claim
            if len(trials) >= n_trials:
                return None
            self.study.sampler = self._sampler(len(trials))
            return self._lock(self.study.ask())

    def _lock(self, trial: optuna.Trial) -> Claim | None:
        """Claim a trial unless another process holds it."""
        folder = self.folder_of(trial.number)
        lock = FileLock(folder / ".lock")
        return Claim(trial, self.search.suggest(trial), folder, lock) if lock.acquire(wait=False) else None

    def _train(self, claim: Claim) -> None:
        """Train one trial and tell the study what became of it."""
        try:
            config = load_config(self.config, claim.overrides)
            _write_config(config, claim.folder / "config.yaml")
            Training(config, claim.folder).run(restart=True, report=self._reporter(claim.trial))
            self.study.tell(claim.trial, self._worth(claim.folder))
        except optuna.TrialPruned:
            self.study.tell(claim.trial, state=TrialState.PRUNED)
        except (InterruptedTrainingError, MetricError, OSError):
            raise  # none of them says anything of the trial
        except Exception as error:  # whatever these values do to torch or to the data is a result of the search
            claim.trial.set_user_attr("reason", f"{type(error).__name__}: {error}".splitlines()[0])
            self.study.tell(claim.trial, state=TrialState.FAIL)

    def _reporter(self, trial: optuna.Trial) -> Callable[[dict[str, float], int], None]:
        """Called after every epoch: report, and stop a trial that is hopeless."""
        known = self.study.trials[trial.number].intermediate_values

        def report(record: dict[str, float], _epochs: int) -> None:
            value, epoch = self._metric(record), int(record["epoch"])
            if not math.isfinite(value):
                raise DivergedError(f"{self.search.metric} is {value} after epoch {epoch}")
            if epoch in known:  # from before an interruption
                return
            trial.report(value, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        return report

    def _metric(self, record: dict[str, float]) -> float:
        if self.search.metric not in record:
            names = ", ".join(name for name in record if name.startswith("valid_"))
            raise MetricError(f"metric: the training writes no {self.search.metric}; it writes {names}")
        return record[self.search.metric]

    def _worth(self, folder: Path) -> float:
        """Smallest value of the metric over the epochs."""
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        return min(self._metric(json.loads(line)) for line in lines)

    def _record(self) -> None:
        """Bring trials.csv and best.yaml up to date."""
        with FileLock(self.folder / "claim.lock"):
            write_table(self.study.trials, self.folder / "trials.csv")
            if any(trial.state == TrialState.COMPLETE for trial in self.study.trials):
                write_best(self.best, self.search.metric, self.folder_of(self.best.number), self.folder / "best.yaml")

    def _line(self, trial: FrozenTrial) -> str:
        name = f"trial {trial.number:4d}  {trial.state.name.lower():8s}"
        if trial.state == TrialState.FAIL:
            return f"{name} {trial.user_attrs['reason']}"
        epochs = f"{len(trial.intermediate_values)} epochs"
        values = ", ".join(f"{key}={value}" for key, value in trial.params.items())
        return f"{name} {self.search.metric} {trial.value:.6g}, {epochs}  {values}"


def _write_config(config: TrainConfig, path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
