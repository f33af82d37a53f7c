"""Muon for convolutions: Jordan et al., Muon (2024).

torch.optim.Muon takes only matrices, and computes in bfloat16, which few CPUs have.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

QUINTIC = (3.4445, -4.7750, 2.0315)  # coefficients of a polynomial that maps singular values in 0..1 to about 1
TINY = 1e-7  # keeps a zero matrix from division by zero


class Muon(torch.optim.Optimizer):
    """Nesterov momentum whose steps are made orthogonal, so that all directions of a filter bank learn at one rate.

    A weight of any shape counts as a matrix with a row for each output. Weight decay is decoupled, as in AdamW. The
    learning rate is a tensor, so that a CUDA graph reads its current value at every step.
    """

    def __init__(self, weights: Iterable[nn.Parameter], lr: Tensor, momentum: float = 0.9, weight_decay: float = 0.0):
        super().__init__(weights, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(weight)
                velocity = state["velocity"]
                velocity.lerp_(weight.grad, 1 - group["momentum"])
                direction = weight.grad.lerp(velocity, group["momentum"]).flatten(1)
                outputs, inputs = direction.shape
                step = group["lr"] * max(1.0, outputs / inputs) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.addcmul_(orthogonal(direction).view_as(weight), step, value=-1)


def orthogonal(matrix: Float[Tensor, "m n"], rounds: int = 4) -> Float[Tensor, "m n"]:
    """About U V^T of the singular value decomposition U S V^T, by Newton-Schulz iteration in float32.

    Singular values come out near 1; four rounds bring all there that are above a hundredth of the largest.
    """
    a, b, c = QUINTIC
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / (wide.norm() + TINY)
    # every round multiplies by a polynomial of X X^T, so the rounds run on that small square matrix alone
    gram = wide @ wide.T
    product = one = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    for _ in range(rounds):
        factor = a * one + b * gram + c * gram @ gram
        product = factor @ product
        gram = factor @ gram @ factor
    x: Tensor = product @ wide
    return x if matrix.shape[0] <= matrix.shape[1] else x.T
