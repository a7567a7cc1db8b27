"""Which frames make up each batch of an epoch: a function of seed and epoch, so that nothing has to be saved."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lampion.training.config.training import TrainConfig
from lampion.training.data.frames import Ints


def epoch_batches(config: TrainConfig, n_atoms: Ints, epoch: int) -> list[Ints]:
    """Indices of the frames of every batch of one epoch, frames in random order.

    With `batch_atoms` a batch takes frames as long as their atoms do not exceed it; a larger frame goes alone.
    With `bootstrap` the epoch goes through a resample of the frames, drawn with replacement once per seed.

    Args:
        config: `seed`, `batch_size` or `batch_atoms`, `bootstrap`.
        n_atoms: (n_frames,) atoms of each frame.
        epoch: number of the epoch, from 0.
    """
    frames = np.arange(len(n_atoms))
    if config.bootstrap:
        frames = np.random.default_rng(config.seed).choice(frames, len(frames))
    order = np.random.default_rng([config.seed, epoch]).permutation(frames)
    if config.batch_atoms is None:
        cuts: Sequence[int] = range(config.batch_size, len(order), config.batch_size)
    else:
        cuts = _cuts(n_atoms[order], config.batch_atoms)
    return np.split(order, cuts)


def _cuts(n_atoms: Ints, limit: int) -> list[int]:
    """Where a new batch begins, if each takes what fits."""
    cuts: list[int] = []
    total = 0
    for position, atoms in enumerate(n_atoms.tolist()):
        if position and total + atoms > limit:
            cuts.append(position)
            total = 0
        total += atoms
    return cuts


@dataclass(frozen=True)
class Part:
    """What one process does of a step.

    Attributes:
        frames: indices of its frames; none when the last step of an epoch has fewer batches than processes.
        frame_share, atom_share: their share of all frames and of all atoms of the step.
    """

    frames: Ints
    frame_share: float
    atom_share: float


def part_of_step(batches: Sequence[Ints], rank: int, n_atoms: Ints) -> Part:
    """The part of process `rank` in a step of several batches, one for each process."""
    frames = batches[rank] if rank < len(batches) else np.zeros(0, dtype=np.int64)
    step = np.concatenate(batches)
    return Part(frames, len(frames) / len(step), float(n_atoms[frames].sum() / n_atoms[step].sum()))
