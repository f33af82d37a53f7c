"""Distributions of sums as generating functions: the power of y is the sum, the power of x the number of digits.

Polynomials in y are multiplied point by point in the Fourier domain, which needs float32 or better.
"""

import math
from functools import reduce
from typing import Any

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

FLOOR = 1e-8  # the rounding error of the transform in float32; a smaller probability is noise


def log_sum_of_columns(
    log_blank: Float[Tensor, "n t"], log_digits: Float[Tensor, "n t 10"], digits: int
) -> Float[Tensor, "n s"]:
    """log P(sum = s and exactly k digits), s in 0..9k, when each column holds one digit or none, independently.

    That is the coefficient of x^k in the product over columns t of (b_t + x sum_d p_t(d) y^d). The result sums to
    P(count = k), not to one, so that the likelihood falls with the probability of every other count.
    """
    length = _transform_length(9 * digits)
    fires = torch.fft.rfft(log_digits.exp(), n=length)
    spectrum: Complex[Tensor, "n f"] = _CoefficientOfProduct.apply(log_blank.exp(), fires, digits)
    probability = torch.fft.irfft(spectrum, n=length)[:, : 9 * digits + 1]
    log_probability: Tensor = probability.clamp_min(FLOOR).log()
    return log_probability


def log_count_of_columns(log_blank: Float[Tensor, "n t"], highest: int) -> Float[Tensor, "n m"]:
    """log P(count = c), c in 0..highest, of columns that each hold a digit or are blank, independently."""
    blank = log_blank.exp()
    probability = nn.functional.one_hot(torch.zeros_like(blank[:, 0], dtype=torch.long), highest + 1).to(blank.dtype)
    for t in range(blank.shape[1]):
        one_more = nn.functional.pad(probability, (1, 0))[:, : highest + 1]
        probability = probability * blank[:, t, None] + one_more * (1 - blank[:, t, None])
    return probability.clamp_min(FLOOR).log()


def log_sum_of_slots(log_digits: Float[Tensor, "n k 10"]) -> Float[Tensor, "n s"]:
    """log P(sum = s), s in 0..9k, of k independent digits: the product over slots of sum_d p_k(d) y^d."""
    highest = 9 * log_digits.shape[1]
    length = _transform_length(highest)
    spectra = torch.fft.rfft(log_digits.exp(), n=length).unbind(1)
    probability = torch.fft.irfft(reduce(torch.mul, spectra), n=length)[:, : highest + 1]
    log_probability: Tensor = probability.clamp_min(FLOOR).log()
    return log_probability


def log_sum_of_set(
    log_present: Float[Tensor, "n 10"], log_absent: Float[Tensor, "n 10"], highest: int
) -> Float[Tensor, "n s"]:
    """log P(sum = s), s in 0..highest, of a set of different digits: the product over d of (1 - q_d + q_d y^d).

    Multiplied out in y itself, since there are only nine sparse factors. Sums beyond `highest` are dropped.
    """
    present, absent = log_present.exp(), log_absent.exp()
    probability = nn.functional.one_hot(torch.zeros_like(present[:, 0], dtype=torch.long), highest + 1).to(
        present.dtype
    )
    for digit in range(1, 10):
        raised = nn.functional.pad(probability, (digit, 0))[:, : highest + 1]
        probability = probability * absent[:, digit, None] + raised * present[:, digit, None]
    return probability.clamp_min(FLOOR).log()


def _transform_length(highest: int) -> int:
    """Long enough that sums up to `highest` do not wrap around; multiples of eight are fast to transform."""
    return 8 * math.ceil((highest + 1) / 8)


class _CoefficientOfProduct(torch.autograd.Function):
    """The coefficient of x^k in the product over t of (rest_t + x fire_t), at each frequency of y.

    Forward-backward, as in CTC (Graves et al., 2006): the forward pass keeps the product of the columns so far, the
    backward pass the derivative by it. Written by hand because autograd took five times as long.
    """

    @staticmethod
    def forward(
        ctx: Any, rests: Float[Tensor, "n t"], fires: Complex[Tensor, "n t f"], power: int
    ) -> Complex[Tensor, "n f"]:
        count, columns, frequencies = fires.shape
        rest = rests.t()[..., None, None].to(fires.dtype)
        fire = fires.transpose(0, 1).unsqueeze(2).contiguous()
        kept = columns + 1 if any(ctx.needs_input_grad) else 2  # the backward pass needs all of them
        products = fires.new_zeros(kept, count, power + 1, frequencies)
        products[0, :, 0] = 1
        for t in range(columns):
            before, after = products[t % kept], products[(t + 1) % kept]
            torch.mul(before, rest[t], out=after)
            after[:, 1:].addcmul_(before[:, :-1], fire[t])
        ctx.save_for_backward(rest, fire, products)
        return products[columns % kept, :, power].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Complex[Tensor, "n f"]) -> tuple[Tensor, Tensor, None]:
        rest, fire, products = ctx.saved_tensors
        fire, slopes = fire.conj().resolve_conj(), torch.zeros_like(products)
        slopes[-1, :, -1] = gradients[0]
        for t in range(len(fire) - 1, -1, -1):
            torch.mul(slopes[t + 1], rest[t], out=slopes[t])
            slopes[t, :, :-1].addcmul_(slopes[t + 1, :, 1:], fire[t])
        before, after = products[:-1].conj(), slopes[1:]
        by_rest = (before * after).real.sum((2, 3)).t()
        by_fire = (before[:, :, :-1] * after[:, :, 1:]).sum(2).transpose(0, 1)
        return by_rest, by_fire, None
