"""Several processes that train one model, each on its share of every batch; started by `torchrun`.

The loss of a batch is a mean, so that of a share is weighted by its share of frames or atoms and gradients add up: the
result is the one of a single process with the whole batch, uneven last batches included. Torch's
`DistributedDataParallel` gives every process the same weight and does not support the second derivatives of a loss on
forces; one `all_reduce` over all gradients does.
"""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lampion.training.data.graphs import Graph
from lampion.training.errors import LostProcessError

#: a process that waits longer than this for the others gives up
TIMEOUT = timedelta(minutes=30)


class Team:
    """The processes of one training; a single one unless `torchrun` started it.

    Attributes:
        rank: number of this process; 0 writes the files.
        size: number of processes.
        device: where this process computes.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.rank, self.size = 0, 1
        local = os.environ.get("LOCAL_RANK", "0")
        self.device = torch.device("cpu" if device == "cpu" else f"{device}:{local}")
        if dist.is_torchelastic_launched():
            self.rank, self.size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
            if not dist.is_initialized():
                dist.init_process_group("gloo" if device == "cpu" else "nccl", timeout=TIMEOUT)
                atexit.register(dist.destroy_process_group)

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def place(self, graph: Graph) -> Graph:
        """The graph on this process's device."""
        if self.device.type == "cpu":
            return graph
        return replace(graph, **{f.name: getattr(graph, f.name).to(self.device) for f in fields(graph)})

    def part_of(self, n: int) -> tuple[int, int]:
        """First and last + 1 of the items 0 .. n-1 that this process works on."""
        return self.rank * n // self.size, (self.rank + 1) * n // self.size

    def add_up(self, values: Tensor) -> None:
        """Replace values by their sums over all processes."""
        if self.size > 1:
            with _lost_process():
                dist.all_reduce(values)

    def add_up_gradients(self, model: nn.Module) -> None:
        """Replace the gradients of a model by their sums over all processes; one that is missing counts as zero."""
        if self.size == 1:
            return
        parameters = [p for p in model.parameters() if p.requires_grad]
        pieces = [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in parameters]
        total = torch.cat(pieces)
        self.add_up(total)
        for parameter, piece in zip(parameters, total.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = piece.view_as(parameter)

    def agree(self, value: Any) -> Any:
        """The value that process 0 has, a plain Python object."""
        box = [value]
        if self.size > 1:
            with _lost_process():
                dist.broadcast_object_list(box)
        return box[0]


@contextmanager
def _lost_process() -> Iterator[None]:
    """What torch says of a closed connection or of a time limit, in one sentence.

    Raises:
        LostProcessError: another process has ended or does not answer.
    """
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise LostProcessError(
            f"another process of this training has ended or does not answer ({reason}); see what it said, and continue "
            "with --restart auto"
        ) from None
