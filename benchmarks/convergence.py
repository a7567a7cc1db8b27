"""How long until a training reaches an error, beside `mace_run_train`?

Each time is that of a whole training of its own, with the learning rate falling to its end: from the command to its
return, start and compilation included, in processor time of all its processes.
"""

import json
import resource
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from benchmarks import models
from benchmarks.drawing import Curve, curves
from benchmarks.machine import lampion, one_thread
from benchmarks.workshop import Record, Workshop, code_of_export, output_of
from lampion.training.config.training import load_config

TITLE = "Training to an error"
#: what the page says of the measurement
TIMED = "every training once"


class Compared(NamedTuple):
    """Its name on the page, for how many epochs it is trained, and of ours, what `molecule.yaml` is changed by."""

    shown: str
    lengths: tuple[int, ...]
    changes: tuple[str, ...] = ()


COMPARED = {
    "large": Compared("molecule.yaml, l_state 1", (15, 50, 150), ("model.l_state=1",)),
    "small": Compared("the same with 16 channels", (150,), ("model.l_state=1", "model.channels=16")),
    "mace": Compared("mace_run_train", (20, 60)),
}


def missing(shop: Workshop) -> str:
    """What the user has to give before this question can be answered."""
    return "" if shop.frames else "needs --frames"


def prepare(shop: Workshop) -> None:
    """Train all."""
    for name, epochs in _trainings(shop):
        _trained(shop, name, epochs)


def measure(shop: Workshop) -> Record:
    """Times kept beside the trainings, errors on the test frames."""
    assert shop.frames
    rows = []
    for name, epochs in _trainings(shop):
        folder = _trained(shop, name, epochs)
        seconds = json.loads((folder / "seconds.json").read_text())
        errors = models.errors(shop, folder / "model.pt", shop.frames / "test.h5")
        rows.append({"name": name, "epochs": epochs, "seconds": seconds, "errors": errors})
    return {"rows": rows}


def _trainings(shop: Workshop) -> list[tuple[str, int]]:
    """Whose, and of how many epochs; the shortest first."""
    return [(name, epochs) for name, one in COMPARED.items() for epochs in ((1,) if shop.quick else one.lengths)]


def _trained(shop: Workshop, name: str, epochs: int) -> Path:
    """Folder with `model.pt` and the time its training took."""
    assert shop.frames
    frames, ours = shop.frames.resolve(), name != "mace"
    settings = [*COMPARED[name].changes, f"epochs={epochs}"] if ours else _mace_settings(epochs)
    train = _train_lampion if ours else _train_mace

    def make(path: Path) -> None:
        path.mkdir()
        seconds = _processor_time(partial(train, frames, settings, path))
        trained = ["train/best.ckpt"] if ours else ["mace.model", "--trust"]
        lampion("export", *trained, "-o", "model.pt", cwd=path)
        (path / "seconds.json").write_text(json.dumps(seconds))

    content = models.MOLECULE.read_text() + code_of_export() if ours else ""
    return shop.kept(name, f"{content}{settings}{frames}", make)


def _train_lampion(frames: Path, settings: list[str], folder: Path) -> None:
    lampion("train", models.MOLECULE, frames, *(word for one in settings for word in ("--set", one)), cwd=folder)


def _mace_settings(epochs: int) -> list[str]:
    """32 channels, L = 1, two layers; errors' weights and optimizer as its authors chose for rMD17.

    The rate falls to the same share of the first as in `configs/molecule.yaml`, and batches are as large.
    """
    config, mace = load_config(models.MOLECULE), models.MACE_OF_MOLECULES
    settings = mace.model_dump(exclude={"architecture", "cutoff", "dtype"}) | {
        "name": "mace", "train_file": "train.extxyz", "valid_file": "valid.extxyz", "model": "MACE",
        "r_max": mace.cutoff, "E0s": "average", "batch_size": config.batch_size, "energy_weight": 1,
        "forces_weight": 1000, "lr": 0.01, "ema_decay": 0.99, "scheduler": "ExponentialLR",
        "lr_scheduler_gamma": config.optimizer.final_factor ** (1 / epochs), "max_num_epochs": epochs,
        "eval_interval": 1, "default_dtype": mace.dtype, "device": "cpu", "seed": 1, "plot": False,
    }  # fmt: skip
    return ["--ema", "--amsgrad", *(f"--{key}={value}" for key, value in settings.items())]


def _train_mace(frames: Path, settings: list[str], folder: Path) -> None:
    for part in ("train", "valid"):
        lampion("data", "convert", frames / f"{part}.h5", "-o", f"{part}.extxyz", cwd=folder)
    output_of([str(Path(sys.prefix, "bin", "mace_run_train")), *settings], folder, one_thread())


def _processor_time(job: Callable[[], object]) -> float:
    """Seconds that the processes started by a job have computed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    job()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def table(record: Record) -> list[str]:
    """One row a training."""
    lines = ["| training | epochs | minutes | forces, MAE, meV/Å | energy, RMSE, meV/atom |",
             "|---|---:|---:|---:|---:|"]  # fmt: skip
    for row in record["rows"]:
        lines.append(
            f"| {COMPARED[row['name']].shown} | {row['epochs']} | {row['seconds'] / 60:.1f} "
            f"| {row['errors']['forces_mae']:.1f} | {row['errors']['energy_rmse']:.2f} |"
        )
    return lines


def figure(record: Record) -> Figure:
    """Error against time."""
    lines: dict[str, Curve] = {}
    for name, one in COMPARED.items():
        rows = [row for row in record["rows"] if row["name"] == name]
        lines[one.shown] = [row["seconds"] / 60 for row in rows], [row["errors"]["forces_mae"] for row in rows]
    return curves(lines, "minutes of one core", "force MAE, meV/Å")
