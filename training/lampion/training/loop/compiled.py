"""The training step compiled as a whole: energy, forces, loss and its gradient become a few fused loops."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental import _config as symbolic_shapes
from torch.fx.experimental.proxy_tensor import make_fx

from lampion.training.data.graphs import Graph, pad
from lampion.training.loop.gradients import StepErrors, batch_errors
from lampion.training.loop.loss import Penalty, Weights
from lampion.training.models.edges import padded_edges

NAMES = tuple(field.name for field in fields(Graph))


class _Batch(nn.Module):
    """`batch_errors` as a module, so that its weights can be replaced by traced ones."""

    def __init__(self, model: nn.Module, scale: float, cost: Penalty) -> None:
        super().__init__()
        self.model, self.scale, self.cost = model, scale, cost

    def forward(self, tensors: Sequence[Tensor], weights: Weights) -> StepErrors:
        graph = Graph(**dict(zip(NAMES, tensors, strict=True)))
        return batch_errors(self.model, graph, weights, self.scale, self.cost)


class CompiledGradients:
    """Same gradients as `eager_gradients`, several times faster after a compilation of a minute or two.

    The step is traced with sizes left open, so that the number of frames, atoms and edges may vary; torch's compiler
    makes C++ of it. Batches of one frame are compiled apart, since torch takes a size of one for a constant. Graphs are
    padded, so that sums over edges need no atomic additions.

    Args:
        model: a model whose forward pass takes no decision by the values of tensors.
        scale: force scale of the loss, eV/Å.
        cost: what an error costs, see `loss.penalty`.
    """

    def __init__(self, model: nn.Module, scale: float, cost: Penalty = torch.square) -> None:
        self._batch = _Batch(model, scale, cost)
        self._parameters = {name: p for name, p in self._batch.named_parameters() if p.requires_grad}
        state = (*self._batch.named_parameters(), *self._batch.named_buffers())
        self._constants = {name: value for name, value in state if name not in self._parameters}
        self._used = (True, True, True)
        self._reached: list[str] = []  # parameters the loss depends on
        self._functions: dict[bool, Callable[..., list[Tensor]]] = {}

    def __call__(self, graph: Graph, weights: Weights) -> StepErrors:
        """Leave the gradients of a batch in `.grad`."""
        inputs = self._inputs(pad(graph), weights)
        single = len(graph.n_atoms) == 1
        if single not in self._functions:
            self._used = (bool(weights.energy > 0), bool(weights.forces > 0), bool(weights.stress > 0))
            self._functions[single] = self._compile(inputs)
        loss, energy, forces, *gradients = self._functions[single](*inputs)
        for name, gradient in zip(self._reached, gradients, strict=True):
            self._parameters[name].grad = gradient
        return StepErrors(loss, energy, forces)

    def _inputs(self, graph: Graph, weights: Weights) -> tuple[Any, ...]:
        dtype = graph.edge_vectors.dtype
        return (
            list(self._parameters.values()),
            list(self._constants.values()),
            torch.tensor([weights.energy, weights.forces, weights.stress], dtype=dtype),
            [getattr(graph, name) for name in NAMES],
        )

    def _compile(self, inputs: tuple[Any, ...]) -> Callable[..., list[Tensor]]:
        def step(parameters: Any, constants: Any, weights: Any, tensors: Any) -> list[Tensor]:
            return self._step(parameters, constants, weights, tensors)

        # Sizes that are equal in this batch, as three frames and three coordinates, need not be so in the next.
        with symbolic_shapes.patch(use_duck_shape=False):  # type: ignore[attr-defined]
            traced = make_fx(step, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*inputs)
            # the wrapper that calls the loops in C++, too: they are short for a batch of molecules
            compiled = torch.compile(traced, dynamic=True, options={"cpp_wrapper": True})
            compiled(*inputs)  # the compiler works at the first call
        return compiled

    def _step(
        self, parameters: Sequence[Tensor], constants: Sequence[Tensor], weights: Tensor, tensors: Sequence[Tensor]
    ) -> list[Tensor]:
        """Loss, mean errors and gradients as a function without side effects."""
        free = [parameter.detach().requires_grad_() for parameter in parameters]
        state = dict(zip(self._parameters, free, strict=True)) | dict(zip(self._constants, constants, strict=True))
        traced = Weights(*(w if used else 0.0 for w, used in zip(weights.unbind(), self._used, strict=True)))
        with padded_edges(tensors[NAMES.index("opposite")]):
            errors: StepErrors = functional_call(self._batch, state, (tensors, traced))
            gradients = torch.autograd.grad(errors.loss, free, allow_unused=True)
        found = {name: g for name, g in zip(self._parameters, gradients, strict=True) if g is not None}
        self._reached = list(found)
        return [errors.loss.detach(), errors.energy, errors.forces, *found.values()]
