"""The training step compiled as a whole: energy, forces, loss and its gradient become a few fused loops."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from lampion.training.edges import padded_edges
from lampion.training.gradients import StepErrors, batch_errors
from lampion.training.graphs import Graph, pad
from lampion.training.loss import Weights

NAMES = tuple(field.name for field in fields(Graph))


class _Batch(nn.Module):
    """`batch_errors` as a module, so that its weights can be replaced by traced ones."""

    def __init__(self, model: nn.Module, scale: float) -> None:
        super().__init__()
        self.model, self.scale = model, scale

    def forward(self, tensors: Sequence[Tensor], weights: Weights) -> StepErrors:
        return batch_errors(self.model, Graph(**dict(zip(NAMES, tensors, strict=True))), weights, self.scale)


class CompiledGradients:
    """Same gradients as `eager_gradients`, several times faster after a compilation of a minute or two.

    The step is traced once, with sizes left open, so that the number of frames, atoms and edges may vary; torch's
    compiler makes C++ of it. Graphs are padded, so that sums over edges need no atomic additions.

    Args:
        model: a model whose forward pass takes no decision by the values of tensors.
        scale: force scale of the loss, eV/Å.
    """

    def __init__(self, model: nn.Module, scale: float) -> None:
        self._batch = _Batch(model, scale)
        self._parameters = dict(self._batch.named_parameters())
        self._buffers = dict(self._batch.named_buffers())
        self._uses_stress = False
        self._function: Callable[..., list[Tensor]] | None = None

    def __call__(self, graph: Graph, weights: Weights) -> StepErrors:
        """Leave the gradients of a batch in `.grad`."""
        inputs = self._inputs(pad(graph), weights)
        if self._function is None:
            self._uses_stress = weights.uses_stress
            self._function = self._compile(inputs)
        loss, energy, forces, *gradients = self._function(*inputs)
        for parameter, gradient in zip(self._parameters.values(), gradients, strict=True):
            parameter.grad = gradient
        return StepErrors(loss, energy, forces)

    def _inputs(self, graph: Graph, weights: Weights) -> tuple[Any, ...]:
        dtype = graph.edge_vectors.dtype
        return (
            list(self._parameters.values()),
            list(self._buffers.values()),
            torch.tensor([weights.energy, weights.forces, weights.stress], dtype=dtype),
            [getattr(graph, name) for name in NAMES],
        )

    def _compile(self, inputs: tuple[Any, ...]) -> Callable[..., list[Tensor]]:
        def step(parameters: Any, buffers: Any, weights: Any, tensors: Any) -> list[Tensor]:
            return self._step(parameters, buffers, weights, tensors)

        traced = make_fx(step, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*inputs)
        return torch.compile(traced, dynamic=True)

    def _step(
        self, parameters: Sequence[Tensor], buffers: Sequence[Tensor], weights: Tensor, tensors: Sequence[Tensor]
    ) -> list[Tensor]:
        """Loss, mean errors and gradients as a function without side effects."""
        free = [parameter.detach().requires_grad_() for parameter in parameters]
        state = dict(zip(self._parameters, free, strict=True)) | dict(zip(self._buffers, buffers, strict=True))
        energy, forces, stress = weights.unbind()
        traced = Weights(energy, forces, stress if self._uses_stress else 0.0)
        with padded_edges(tensors[NAMES.index("opposite")]):
            errors: StepErrors = functional_call(self._batch, state, (tensors, traced))
            gradients = torch.autograd.grad(errors.loss, free, allow_unused=True)
        filled = [torch.zeros_like(p) if g is None else g for g, p in zip(gradients, free, strict=True)]
        return [errors.loss.detach(), errors.energy, errors.forces, *filled]
