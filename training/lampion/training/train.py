"""The training loop: one loop to read from top to bottom, resumable at any step.

Nothing in it depends on when it was interrupted: the order of the frames is a function of (seed, epoch), everything
else is in the checkpoint. A run killed at any moment and resumed ends with the weights of an uninterrupted one.
"""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lampion.training import checkpoint
from lampion.training.build import build_model, model_of_checkpoint, torch_dtype
from lampion.training.config import TrainConfig
from lampion.training.data import Split, load_split
from lampion.training.errors import CheckpointError
from lampion.training.evaluate import Parity, evaluate
from lampion.training.files import atomic_path
from lampion.training.gradients import eager_gradients
from lampion.training.graphs import Graph, build_graphs, join
from lampion.training.hdf5 import write_hdf5
from lampion.training.loss import weights_at
from lampion.training.metrics import MetricsLog
from lampion.training.optim import learning_rate
from lampion.training.signals import StopRequest
from lampion.training.statistics import DataStatistics

Report = Callable[[dict[str, float], int], None]


class InterruptedTrainingError(Exception):
    """Training stopped on a signal after writing a checkpoint; resume with `--restart auto`.

    Exit code 75 after SIGTERM, which a queue sends, 130 after Ctrl-C.
    """

    def __init__(self, message: str, received: signal.Signals) -> None:
        super().__init__(message)
        self.exit_code = 130 if received == signal.SIGINT else 75


class Training:
    """State of one training run in one folder.

    Files: `config.yaml`-equivalent inside every checkpoint, `checkpoints/step-*.ckpt` (the last two), `best.ckpt`,
    `metrics.jsonl` (one line per epoch), `test.h5` (the frames never used).

    Args:
        config: the whole configuration.
        folder: where everything is written.
    """

    def __init__(self, config: TrainConfig, folder: Path) -> None:
        if config.threads:
            torch.set_num_threads(config.threads)
        self.config, self.folder = config, folder
        self.split: Split = load_split(config.data)
        dtype, cutoff = torch_dtype(config.model), config.model.cutoff
        self.train_graphs = build_graphs(self.split.train, cutoff, dtype)
        self.valid_graphs = build_graphs(self.split.valid, cutoff, dtype)
        self.statistics = DataStatistics.of(self.split.train, self.train_graphs, self.split.energy_shift)
        torch.manual_seed(config.seed)
        self.model: nn.Module = build_model(config.model, self.statistics)
        self.ema = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(config.optimizer.ema))
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=config.optimizer.learning_rate,
            weight_decay=config.optimizer.weight_decay,
            amsgrad=config.optimizer.amsgrad,
        )
        self.step, self.halvings, self.stale = 0, 0, 0
        self.best, self.seconds = float("inf"), 0.0
        self.sums = {"loss": 0.0, "energy": 0.0, "forces": 0.0}
        self.metrics = MetricsLog(folder / "metrics.jsonl")

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one pass over the training frames."""
        return -(-len(self.train_graphs) // self.config.batch_size)

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.config.epochs * self.steps_per_epoch

    def run(self, *, restart: bool, report: Report | None = None) -> Path:
        """Train to the end and return the path of the best checkpoint.

        Args:
            restart: continue from the newest valid checkpoint of the folder, if there is one.
            report: called after every epoch with its metrics and the number of epochs in all.

        Raises:
            CheckpointError: the folder holds another run and `restart` is off, or it was made from other data.
            InterruptedTrainingError: SIGTERM or Ctrl-C; a checkpoint has been written.
        """
        self._prepare_folder(restart)
        with StopRequest() as stop:
            while self.step < self.total_steps and not self._exhausted():
                started = time.monotonic()
                self._train_step()
                self.seconds += time.monotonic() - started
                if self.step % self.steps_per_epoch == 0:
                    self._finish_epoch(report)
                if self.step % self.config.checkpoint_every == 0 or stop.received or self.step == self.total_steps:
                    self._save()
                if stop.received and self.step < self.total_steps:
                    message = f"stopped at step {self.step} of {self.total_steps}; resume: --restart auto"
                    raise InterruptedTrainingError(message, stop.received)
        return self._conclude()

    def _train_step(self) -> None:
        """One batch: forward, forces, loss, backward, update, average."""
        settings, progress = self.config.optimizer, self.step / self.total_steps
        graph = self._batch()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(settings, self.step, self.total_steps, self.halvings)
        self.optimizer.zero_grad(set_to_none=True)
        weights = weights_at(self.config.loss, progress)
        errors = eager_gradients(self.model, graph, weights, self.statistics.force_scale)
        nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip)
        self.optimizer.step()
        self.ema.update_parameters(self.model)
        for name, value in errors._asdict().items():
            self.sums[name] += float(value)
        self.step += 1

    def _batch(self) -> Graph:
        epoch, position = divmod(self.step, self.steps_per_epoch)
        order = np.random.default_rng([self.config.seed, epoch]).permutation(len(self.train_graphs))
        size = self.config.batch_size
        return join([self.train_graphs[i] for i in order[position * size : (position + 1) * size]])

    def _finish_epoch(self, report: Report | None) -> None:
        """Validate the averaged model, keep it if it is the best, write one line of metrics."""
        parity = evaluate(self.ema.module, self.valid_graphs)
        score = self._score(parity)
        improved = score < self.best
        self.best, self.stale = (score, 0) if improved else (self.best, self.stale + 1)
        if self.stale and self.stale % self.config.optimizer.plateau_patience == 0:
            self.halvings += 1
        record = {
            "epoch": self.step // self.steps_per_epoch,
            "step": self.step,
            "seconds": round(self.seconds, 3),
            "lr": self.optimizer.param_groups[0]["lr"],
            "train_loss": self.sums["loss"] / self.steps_per_epoch,
            "train_energy_mae_meV_per_atom": 1e3 * self.sums["energy"] / self.steps_per_epoch,
            "train_forces_mae_meV_per_A": 1e3 * self.sums["forces"] / self.steps_per_epoch,
            "valid_score": score,
            **{f"valid_{name}": value for name, value in parity.errors.items()},
        }
        self.sums = dict.fromkeys(self.sums, 0.0)
        if improved:
            checkpoint.write_checkpoint(self._content(parity), self.folder / "best.ckpt")
        self.metrics.append(record)
        if report:
            report(record, self.config.epochs)

    def _conclude(self) -> Path:
        """Measure the best model on the test frames, once, and keep the errors beside its weights."""
        best = self.folder / "best.ckpt"
        content = checkpoint.read_checkpoint(best)
        model, config, _ = model_of_checkpoint(content)
        graphs = build_graphs(self.split.test, config.model.cutoff, torch_dtype(config.model))
        checkpoint.write_checkpoint({**content, "test_errors": evaluate(model, graphs).errors}, best)
        return best

    def _score(self, parity: Parity) -> float:
        """Validation loss with the final weights: what `best` and early stopping compare."""
        weights, errors, scale = weights_at(self.config.loss, 1.0), parity.errors, 1e3 * self.statistics.force_scale
        energy, forces = errors["energy_rmse_meV_per_atom"] / scale, errors["forces_rmse_meV_per_A"] / scale
        return weights.energy * energy**2 + weights.forces * forces**2

    def _exhausted(self) -> bool:
        return self.config.patience > 0 and self.stale >= self.config.patience

    def _content(self, parity: Parity | None = None) -> dict[str, Any]:
        return {
            "config": self.config.model_dump(),
            "data_sha256": self.split.data_sha256,
            "statistics": self.statistics.as_dict(),
            "versions": {"torch": str(torch.__version__)},
            "valid_errors": parity.errors if parity else None,
            "model": self.model.state_dict(),
            "ema": self.ema.module.state_dict(),
            "ema_n": int(self.ema.n_averaged),
            "optimizer": self.optimizer.state_dict(),
            "progress": {
                name: getattr(self, name) for name in ("step", "halvings", "stale", "best", "sums", "seconds")
            },
        }

    def _save(self) -> None:
        folder = self.folder / "checkpoints"
        checkpoint.write_checkpoint(self._content(), checkpoint.checkpoint_path(folder, self.step))
        checkpoint.prune(folder)

    def _prepare_folder(self, restart: bool) -> None:
        folder = self.folder / "checkpoints"
        if any(folder.glob("step-*.ckpt")) and not restart:
            raise CheckpointError(
                f"{self.folder}: holds an earlier training; continue it with --restart auto, or use another folder (-o)"
            )
        content = checkpoint.newest_valid(folder) if restart else None
        if content is not None:
            self._restore(content)
        else:
            write_hdf5(self.split.test, self.folder / "test.h5")
            with atomic_path(self.folder / "config.json") as temporary:
                temporary.write_text(json.dumps(self.config.model_dump(), indent=2))
        self.metrics.truncate(self.step)

    def _restore(self, content: dict[str, Any]) -> None:
        if content["data_sha256"] != self.split.data_sha256:
            raise CheckpointError(
                f"{self.folder}: its checkpoints were trained on other data than {self.config.data.file}; "
                "use the same file, or another folder (-o)"
            )
        if content["config"] != self.config.model_dump():
            raise CheckpointError(f"{self.folder}: its checkpoints have another configuration; use another folder (-o)")
        self.model.load_state_dict(content["model"])
        self.ema.module.load_state_dict(content["ema"])
        self.ema.n_averaged.fill_(content["ema_n"])
        self.optimizer.load_state_dict(content["optimizer"])
        for name, value in content["progress"].items():
            setattr(self, name, value)
