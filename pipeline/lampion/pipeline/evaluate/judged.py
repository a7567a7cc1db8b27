"""A model file opened to be judged on labelled frames."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from lampion.deploy.modelfile import load_model
from lampion.training.data.frames import Frames
from lampion.training.data.graphs import Graph, build_graphs
from lampion.training.errors import ConfigError, DataError
from lampion.training.evaluation.predictions import Parity, evaluate
from lampion.training.models.build import torch_dtype

#: Frames whose neighbour lists are in memory at once.
CHUNK = 256


class PredictionError(ValueError):
    """A model that predicts what is no number."""

    exit_code = 4


class Judged:
    """A model file opened for judging.

    Raises:
        ConfigError: it works in reduced units, which no label in eV can be compared with.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        module, self.manifest = load_model(path)
        self.module: torch.nn.Module = module
        if self.manifest.units != "metal":
            raise ConfigError(f"{path}: the model is in reduced units (lj); labels in eV and Å say nothing of it")

    def graphs(self, frames: Frames, origin: str) -> Iterator[Graph]:
        """Graphs of the frames with the model's types, cutoff and precision, made as they are needed."""
        renumbered = with_types_of(frames, self.manifest.type_names, origin)
        for start in range(0, len(frames), CHUNK):
            chunk = renumbered.select(np.arange(start, min(start + CHUNK, len(frames))))
            yield from build_graphs(chunk, self.manifest.cutoff, torch_dtype(self.manifest.dtype))

    def predict(self, frames: Frames, origin: str) -> Parity:
        """Labels and predictions.

        Raises:
            PredictionError: an energy or force that is not finite, by frame.
        """
        parity = evaluate(self.module, self.graphs(frames, origin))
        bad = ~np.isfinite(parity.energy_predicted)
        bad[parity.frame_of_atom[~np.isfinite(parity.forces_predicted).all(axis=1)]] = True
        if bad.any():
            raise PredictionError(
                f"{origin}: {self.path} predicts NaN or infinity for frame {np.flatnonzero(bad)[0]} "
                f"and {bad.sum() - 1} others; are atoms there closer than the model has ever seen?"
            )
        return parity if self.manifest.conservative else _forces_only(parity)


def _forces_only(parity: Parity) -> Parity:
    """Without the energies and stresses of a model that has none: the zeros it returns are no prediction."""
    return replace(
        parity,
        energy_reference=np.full_like(parity.energy_reference, np.nan),
        stress_reference=np.full_like(parity.stress_reference, np.nan),
    )


def with_types_of(frames: Frames, type_names: tuple[str, ...], origin: str) -> Frames:
    """The same frames with types numbered as a model numbers them.

    Raises:
        DataError: an element the model does not know.
    """
    unknown = [name for name in frames.type_names if name not in type_names]
    if unknown:
        raise DataError(f"{origin}: has {', '.join(unknown)}, the model knows {', '.join(type_names)}")
    return frames.renumbered(type_names)
