"""Model files judged on labelled frames: errors, calibration of a committee, distance from the training set."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lampion.pipeline.evaluate.judged import Judged
from lampion.training.config.training import TrainConfig
from lampion.training.data.frames import Floats, Frames
from lampion.training.errors import ConfigError
from lampion.training.evaluation.calibration import calibrate
from lampion.training.evaluation.energy_shift import energy_shifts, offset_share, without_shifts
from lampion.training.evaluation.error_tables import error_table, grouped_tables, overall_errors
from lampion.training.evaluation.novelty import TrainingSet, novelty_table
from lampion.training.evaluation.predictions import Parity
from lampion.training.files import atomic_path, sha256
from lampion.training.preparation.datasets import load_split, read_frames

#: Atoms a training set is represented by, in whole frames.
MOST_TRAINING_ATOMS = 100_000
#: An energy error that is this many times what a constant per element leaves of it, and above 10 meV/atom, is a
#: matter of the reference.
OFFSET_SHARE, OFFSET_MINIMUM = 10.0, 10.0


@dataclass(frozen=True)
class Options:
    """What is asked besides the errors.

    Attributes:
        committee: further members; with the model judged they make the committee.
        training: folder of a training, or labelled frames, to measure distances from.
        groupings: names of `error_tables.GROUPINGS`.
        align_energy: remove a least-squares constant per element from the energies.
    """

    committee: Sequence[Path] = ()
    training: Path | None = None
    groupings: Sequence[str] = ()
    align_energy: bool = False


@dataclass(frozen=True)
class Evaluation:
    """What a model is worth on several data sets.

    Attributes:
        sets: one nested table per data set, as `evaluation.json` holds it.
        parities: labels and predictions per data set, in the same order.
        warnings: sentences for the user.
    """

    sets: list[dict[str, Any]]
    parities: list[Parity]
    warnings: list[str]

    @property
    def content(self) -> dict[str, Any]:
        """The table of the one data set, or all under `sets`."""
        return self.sets[0] if len(self.sets) == 1 else {"sets": self.sets}


class Judge:
    """Evaluates data sets one after the other with the same model, committee and training set.

    Args:
        model: model file.
        options: what is asked besides the errors.
    """

    def __init__(self, model: Path, options: Options) -> None:
        self.model, self.options = Judged(model), options
        self.members = [Judged(path) for path in options.committee]
        self.record = {"file": str(model), "sha256": sha256(model), "cutoff": self.model.manifest.cutoff}

    @cached_property
    def training(self) -> TrainingSet | None:
        """The training set to measure distances from, if there is one."""
        path = self.options.training
        if path is None:
            return None
        frames = thinned(training_frames(path))
        manifest = self.model.manifest
        return TrainingSet(list(self.model.graphs(frames, str(path))), len(manifest.type_names), manifest.cutoff)

    def judge(self, data: Path) -> tuple[dict[str, Any], Parity, list[str]]:
        """Table, predictions and warnings for one data set."""
        frames, names = read_frames(data), self.model.manifest.type_names
        parity = self.model.predict(frames, str(data))
        shifts = energy_shifts(parity, names)
        warnings = [] if self.options.align_energy else _offset_warning(data, parity, shifts, names)
        if self.options.align_energy:
            parity = without_shifts(parity, shifts, names)
        table = {
            "data": {"file": str(data), "sha256": sha256(data)},
            "model": self.record,
            **error_table(parity, names),
            "energy_shift_removed_eV": shifts if self.options.align_energy else None,
            **{f"by_{grouping}": grouped_tables(parity, grouping) for grouping in self.options.groupings},
        }
        if self.members:
            table["committee"] = self._committee(frames, str(data), parity)
        if self.training is not None:
            distances = self.training.distances(self.model.graphs(frames, str(data)))
            table["novelty"] = novelty_table(distances, self.training.reach, parity)
        return table, parity, warnings

    def _committee(self, frames: Frames, origin: str, first: Parity) -> dict[str, Any]:
        """Errors of the mean of all members, and how far their spread tells the error."""
        members = [first, *(self._aligned(member, member.predict(frames, origin)) for member in self.members)]
        mean = replace(
            first,
            energy_predicted=np.mean([member.energy_predicted for member in members], axis=0),
            forces_predicted=np.mean([member.forces_predicted for member in members], axis=0),
        )
        return {
            "files": [str(member.path) for member in (self.model, *self.members)],
            "mean": overall_errors(mean),
            "energy_meV_per_atom": _calibration(
                [member.energy_predicted for member in members], first.energy_reference
            ),
            "forces_meV_per_A": _calibration([member.forces_predicted for member in members], first.forces_reference),
        }

    def _aligned(self, member: Judged, parity: Parity) -> Parity:
        if not self.options.align_energy:
            return parity
        names = member.manifest.type_names
        return without_shifts(parity, energy_shifts(parity, names), names)


def evaluate_sets(model: Path, data: Sequence[Path], options: Options) -> Evaluation:
    """Judge a model on one or several files of labelled frames.

    Raises:
        DataError: unreadable data, or elements the model does not know.
        ConfigError: a committee of one, or a model in reduced units.
        PredictionError: predictions that are no numbers.
        ModelFileError: no model file.
    """
    judge = Judge(model, options)
    found = [judge.judge(path) for path in data]
    return Evaluation(
        sets=[table for table, _, _ in found],
        parities=[parity for _, parity, _ in found],
        warnings=[warning for _, _, warnings in found for warning in warnings],
    )


def training_frames(path: Path) -> Frames:
    """Frames a model was trained on: those a training folder's configuration names, or a file of frames.

    Raises:
        ConfigError: a folder without a training.
    """
    if not path.is_dir():
        return read_frames(path)
    config = path / "config.json"
    if not config.exists():
        raise ConfigError(f"{path}: no config.json, so no training was here; give its folder or a file of frames")
    return load_split(TrainConfig.model_validate(json.loads(config.read_text())).data).train


def thinned(frames: Frames) -> Frames:
    """As many frames, chosen by a fixed seed, as hold `MOST_TRAINING_ATOMS` atoms."""
    allowed = int(MOST_TRAINING_ATOMS / frames.n_atoms.mean())
    if len(frames) <= allowed:
        return frames
    return frames.select(np.sort(np.random.default_rng(0).choice(len(frames), allowed, replace=False)))


def write_parity(parity: Parity, path: Path) -> None:
    """Write labels and predictions as `.npz`, arrays named and shaped as in `Parity`."""
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **{name: getattr(parity, name) for name in parity.__dataclass_fields__})


def _calibration(members: Sequence[Floats], reference: Floats) -> dict[str, Any] | None:
    """Calibration in meV or meV/Å, from eV; None without labels."""
    if not np.isfinite(reference).any():
        return None
    return asdict(calibrate([1e3 * member for member in members], 1e3 * reference))


def _offset_warning(data: Path, parity: Parity, shifts: dict[str, float], names: Sequence[str]) -> list[str]:
    if parity.errors["energy_rmse_meV_per_atom"] < OFFSET_MINIMUM or offset_share(parity, shifts, names) < OFFSET_SHARE:
        return []
    values = ", ".join(f"{name} {shift:.4f} eV" for name, shift in shifts.items())
    return [
        f"{data}: predicted energies differ from the labels by little but a constant per atom ({values}); if the "
        "labels count energy from another zero, judge with --align-energy"
    ]
