"""Muon: momentum whose matrices are made orthogonal before each step."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

#: of the quintic iteration; they trade convergence to exactly 1 for speed from small singular values
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
MOMENTUM = 0.95


class Muon(torch.optim.Optimizer):
    """W <- W - 0.2 lr √max(a, b) O, with O the orthogonal factor of Nesterov's momentum of the gradient, (a, b).

    All directions of a matrix move equally far, those of small gradients too, which Adam leaves behind. The factor
    makes the root mean square of a step 0.2 lr as in Adam, so that both go by one learning rate.

    Differs from `torch.optim.Muon` in that parameters are stacks of matrices in the last two axes, all matrices of one
    shape are treated at once and the iteration runs in the precision of the weights.

    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; factor: Liu et al. 2025, arXiv:2502.16982.

    Args:
        parameters: each of two axes or more.
        learning_rate: lr.
        weight_decay: decoupled, as in AdamW.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, {"lr": learning_rate, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """One step; parameters without a gradient stay."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, int], list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(_wide_shape(parameter), []).append(parameter)
            for shape, parameters in by_shape.items():
                self._step_alike(parameters, shape, group["lr"], group["weight_decay"])

    def _step_alike(
        self, parameters: Sequence[nn.Parameter], shape: tuple[int, int], rate: float, decay: float
    ) -> None:
        stacks = [_wide(self._momentum(parameter)) for parameter in parameters]
        steps = orthogonal(torch.cat(stacks)).split([len(stack) for stack in stacks])
        for parameter, step in zip(parameters, steps, strict=True):
            turned = step.transpose(1, 2) if parameter.shape[-2] > parameter.shape[-1] else step
            parameter.mul_(1.0 - rate * decay)
            parameter.add_(turned.reshape(parameter.shape), alpha=-0.2 * rate * shape[1] ** 0.5)

    def _momentum(self, parameter: nn.Parameter) -> Tensor:
        """Nesterov's momentum of a gradient, after adding it."""
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"]
        momentum.lerp_(gradient, 1.0 - MOMENTUM)
        return gradient.lerp(momentum, MOMENTUM)


def orthogonal(matrices: Tensor) -> Tensor:
    """U S Vᵀ to nearly U Vᵀ for matrices (n, a, b) with a <= b: singular values come between 0.6 and 1.3.

    Those below a hundredth of the Frobenius norm, 0 among them, stay smaller.
    """
    first, third, fifth = COEFFICIENTS
    found = matrices / (torch.linalg.matrix_norm(matrices, keepdim=True) + 1e-12)
    for _ in range(ITERATIONS):
        gram = torch.bmm(found, found.transpose(1, 2))
        mixed = torch.baddbmm(gram, gram, gram, beta=third, alpha=fifth)
        found = torch.baddbmm(found, mixed, found, beta=first)
    return found


def _wide_shape(parameter: Tensor) -> tuple[int, int]:
    a, b = parameter.shape[-2:]
    return min(a, b), max(a, b)


def _wide(tensor: Tensor) -> Tensor:
    """A stack (n, a, b) with a <= b of the matrices in the last two axes."""
    stack = tensor.reshape(-1, *tensor.shape[-2:])
    return stack.transpose(1, 2) if stack.shape[1] > stack.shape[2] else stack
