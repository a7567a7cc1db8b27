"""The training loop: one loop to read from top to bottom, resumable at any step.

Nothing in it depends on when it was interrupted: the frames of a batch are a function of (seed, epoch), everything
else is in the checkpoint. A run killed at any moment and resumed ends with the weights of an uninterrupted one.
"""

import json
import math
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lampion.training.config.training import TrainConfig
from lampion.training.data.graphs import join
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.errors import CheckpointError, DivergedError
from lampion.training.evaluation.predictions import evaluate
from lampion.training.files import atomic_path, storage_errors
from lampion.training.loop import checkpoint
from lampion.training.loop.batches import epoch_batches, part_of_step
from lampion.training.loop.distributed import Team
from lampion.training.loop.ema import AveragedWeights
from lampion.training.loop.gradients import Gradients
from lampion.training.loop.hessian import HessianLoss
from lampion.training.loop.loss import weights_at
from lampion.training.loop.metrics import MetricsLog
from lampion.training.loop.optim import learning_rate, make_optimizer, scheduled_weight
from lampion.training.loop.setup import make_gradients, prepare
from lampion.training.loop.signals import InterruptedTrainingError, StopRequest
from lampion.training.loop.validation import finish, score

__all__ = ["InterruptedTrainingError", "Report", "Training"]
Report = Callable[[dict[str, float], int], None]
#: what the checkpoint holds besides weights, averages and the optimizer
PROGRESS = ("epoch", "position", "step", "halvings", "stale", "best", "seconds", "steps_summed")


class Training:
    """State of one training run in one folder.

    Files: `config.json`, also inside every checkpoint, `checkpoints/step-*.ckpt` (the last two), `best.ckpt`,
    `metrics.jsonl` and `metrics.csv` (one line per epoch), `test.h5` (the frames never used).

    Args:
        config: the whole configuration.
        folder: where everything is written.
    """

    def __init__(self, config: TrainConfig, folder: Path) -> None:
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.use_deterministic_algorithms(config.deterministic)
        self.config, self.folder, self.team = config, folder, Team(config.device)
        setup = prepare(config)
        self.split, self.statistics = setup.split, setup.statistics
        self.train_graphs, self.valid_graphs = setup.train_graphs, setup.valid_graphs
        self.model: nn.Module = setup.model.to(self.team.device)
        self.ema = AveragedWeights(self.model, config.optimizer.ema)
        self.optimizer = make_optimizer(config.optimizer, self.model)
        self.gradients: Gradients = make_gradients(config, self.model, setup)
        self.hessians = HessianLoss(config, self.statistics) if config.loss.hessian else None
        self.epoch, self.position, self.step, self.halvings, self.stale = 0, 0, 0, 0, 0
        self.best, self.seconds, self.steps_summed = math.inf, 0.0, 0
        self.sums = torch.zeros(4, dtype=torch.float64, device=self.team.device)  # loss, energy, forces, Hessian
        self.batches = epoch_batches(config, self.split.train.n_atoms, 0)
        self.metrics = MetricsLog(folder, tensorboard=config.tensorboard)
        self.stop = StopRequest()
        self.stopping = False

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run; with `batch_atoms` an estimate from the present epoch."""
        return self.config.epochs * -(-len(self.batches) // self.team.size)

    def run(self, *, restart: bool, report: Report | None = None) -> Path:
        """Train to the end and return the path of the best checkpoint.

        Args:
            restart: continue from the newest valid checkpoint of the folder, if there is one.
            report: called after every epoch with its metrics and the number of epochs in all.

        Raises:
            CheckpointError: the folder holds another run and `restart` is off, or it was made from other data.
            InterruptedTrainingError: SIGTERM or Ctrl-C; a checkpoint has been written.
            DivergedError: the loss is not a number.
            StorageError: a file cannot be written; the checkpoints before are intact.
        """
        with storage_errors(self.folder), self.stop:
            self._prepare_folder(restart)
            while not self._finished():
                started = time.monotonic()
                self._train_step()
                self.seconds += time.monotonic() - started
                if self.position >= len(self.batches):
                    self._finish_epoch(report)
                if self.step % self.config.checkpoint_every == 0 or self.stopping or self._finished():
                    self._save()
                if self.stopping and not self._finished():
                    message = f"stopped at step {self.step} of {self.total_steps}; resume: --restart auto"
                    raise InterruptedTrainingError(message, self.stop.received or signal.SIGTERM)
            return self._conclude()

    def _train_step(self) -> None:
        """One batch: gradients of the loss, clipped; update of the weights and of their average."""
        progress = (self.epoch + self.position / len(self.batches)) / self.config.epochs
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config.optimizer, self.step, progress, self.halvings)
        self.optimizer.zero_grad(set_to_none=True)
        try:
            self.sums += self._accumulate_gradients(progress)
        except Exception:
            if self.stop.received is None:
                raise
            self.stopping = True  # the signal has reached the step's compiler, too; nothing has changed yet
            return
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optimizer.clip)
        self.optimizer.step()
        self.ema.update(self.step)
        self.step += 1
        self.steps_summed += 1
        self.position += self.team.size

    def _accumulate_gradients(self, progress: float) -> Tensor:
        """Gradients of the batch, of which every process takes its part; loss and errors of the whole."""
        step = self.batches[self.position : self.position + self.team.size]
        part = part_of_step(step, self.team.rank, self.split.train.n_atoms)
        found = torch.zeros(5, dtype=torch.float64, device=self.team.device)
        if len(part.frames):
            graph = self.team.place(join([self.train_graphs[i] for i in part.frames]))
            weights = weights_at(self.config.loss, progress).of_share(part.frame_share, part.atom_share)
            loss, energy, forces = self.gradients(graph, weights)
            found[:3] = torch.stack([loss.double(), energy * part.frame_share, forces.double() * part.atom_share])
        if self.hessians:
            weight = scheduled_weight(self.config.loss.hessian, progress)
            found[3] = self.hessians.add_gradients(self.model, self.step, weight, self.team)
        found[4] = float(self.stop.received is not None)
        self.team.add_up(found)
        self.team.add_up_gradients(self.model)
        self.stopping = self.stop.received is not None if self.team.size == 1 else bool(found[4] > 0)
        return found[:4]

    def _finish_epoch(self, report: Report | None) -> None:
        """Validate the averaged model, keep it if it is the best, write one line of metrics."""
        self._require_finite()
        self.epoch, self.position = self.epoch + 1, 0
        self.batches = epoch_batches(self.config, self.split.train.n_atoms, self.epoch)
        self.ema.copy_buffers()
        errors = self.team.agree(self._validate() if self.team.leads else None)
        found = score(self.config, errors, self.statistics.force_scale)
        improved = found < self.best
        self.best, self.stale = (found, 0) if improved else (self.best, self.stale + 1)
        if self.stale and self.stale % self.config.optimizer.plateau_patience == 0:
            self.halvings += 1
        record = self._record(errors, found)
        self.sums.zero_()
        self.steps_summed = 0
        if improved and self.team.leads:
            checkpoint.write_checkpoint(self._content(errors), self.folder / "best.ckpt")
        if self.team.leads:
            self.metrics.append(record)
        if report and self.team.leads:
            report(record, self.config.epochs)

    def _validate(self) -> dict[str, float]:
        graphs = self.valid_graphs
        placed = graphs if self.team.device.type == "cpu" else [self.team.place(graph) for graph in graphs]
        return evaluate(self.ema.module, placed).errors

    def _record(self, errors: dict[str, float], found: float) -> dict[str, float]:
        loss, energy, forces, hessian = (self.sums / self.steps_summed).tolist()
        return {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": round(self.seconds, 3),
            "lr": self.optimizer.param_groups[0]["lr"],
            "train_loss": loss + hessian,
            "train_energy_mae_meV_per_atom": 1e3 * energy,
            "train_forces_mae_meV_per_A": 1e3 * forces,
            **({"train_hessian_loss": hessian} if self.hessians else {}),
            "valid_score": found,
            **{f"valid_{name}": value for name, value in errors.items()},
        }

    def _conclude(self) -> Path:
        best = self.folder / "best.ckpt"
        if self.team.leads:
            finish(best, self.train_graphs, self.valid_graphs, self.split.test)
        self.team.agree(None)  # none leaves before the file is there
        return best

    def _finished(self) -> bool:
        exhausted = self.config.patience > 0 and self.stale >= self.config.patience
        return exhausted or self.epoch >= self.config.epochs

    def _require_finite(self) -> None:
        if not torch.isfinite(self.sums[[0, 3]]).all():
            raise DivergedError(
                f"the loss is not a number any more, at or before step {self.step}; lower optimizer.learning_rate or "
                "optimizer.clip, and look for bad frames with `lampion data check`"
            )

    def _save(self) -> None:
        self._require_finite()
        if self.team.leads:
            folder = self.folder / "checkpoints"
            checkpoint.write_checkpoint(self._content(), checkpoint.checkpoint_path(folder, self.step))
            checkpoint.prune(folder)

    def _content(self, errors: dict[str, float] | None = None) -> dict[str, Any]:
        return {
            "config": self.config.model_dump(),
            "data_sha256": self.split.data_sha256,
            "statistics": self.statistics.as_dict(),
            "versions": {"torch": str(torch.__version__)},
            "valid_errors": errors,
            "model": self.model.state_dict(),
            "ema": self.ema.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": {name: getattr(self, name) for name in PROGRESS} | {"sums": self.sums.tolist()},
        }

    def _prepare_folder(self, restart: bool) -> None:
        folder = self.folder / "checkpoints"
        if any(folder.glob("step-*.ckpt")) and not restart:
            raise CheckpointError(
                f"{self.folder}: holds an earlier training; continue it with --restart auto, or use another folder (-o)"
            )
        content = self.team.agree(checkpoint.newest_valid(folder) if restart and self.team.leads else None)
        if content is not None:
            self._restore(content)
        if not self.team.leads:
            return
        checkpoint.remove_leftovers(self.folder)
        if content is None:
            write_hdf5(self.split.test, self.folder / "test.h5")
            with atomic_path(self.folder / "config.json") as temporary:
                temporary.write_text(json.dumps(self.config.model_dump(), indent=2))
        self.metrics.truncate(self.step)

    def _restore(self, content: dict[str, Any]) -> None:
        checkpoint.require_same_run(content, self.config, self.split.data_sha256, self.folder)
        self.model.load_state_dict(content["model"])
        self.ema.module.load_state_dict(content["ema"])
        self.optimizer.load_state_dict(content["optimizer"])
        progress = dict(content["progress"])
        self.sums.copy_(torch.tensor(progress.pop("sums"), dtype=self.sums.dtype))
        for name, value in progress.items():
            setattr(self, name, value)
        self.batches = epoch_batches(self.config, self.split.train.n_atoms, self.epoch)
