"""Heads: each turns a feature map into log P(sum) and, if it models digits, reads them.

To add a head: a class here that declares what it can, its name in HEADS and in ModelParams. Nothing else names heads.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from digitsum.errors import InputError
from digitsum.model.polynomials import log_count_of_columns, log_sum_of_columns, log_sum_of_set, log_sum_of_slots
from digitsum.model.viterbi import likeliest_of_sum

INITIAL_STD = 0.01  # of the weights of Columns: small, so that its first distributions are nearly uniform


@dataclass(frozen=True)
class Reading:
    """The likeliest digits, left to right, and the column of the feature map that holds each, where that is known."""

    digits: Int[Tensor, "n k"]
    columns: Int[Tensor, "n k"] | None


class Head(nn.Module):
    """Called on a feature map, it returns log P(sum, k digits) for the sums 0..9k."""

    reads_digits: ClassVar[bool] = False  # `read` returns digits
    reads_places: ClassVar[bool] = False  # `read` returns the columns that hold them, too
    any_width: ClassVar[bool] = False  # takes strips of any width, with any number of digits: `log_sum`, `log_count`

    def __init__(self, channels: int, rows: int, columns: int, digits: int):
        """
        Args:
            channels, rows, columns: the shape of the feature map.
            digits: k, the number of digits on a strip.
        """
        super().__init__()

    def __call__(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n s"]:
        return cast(Tensor, super().__call__(features))

    def read(self, features: Float[Tensor, "n c h w"], sums: Int64[Tensor, " n"] | None = None) -> Reading | None:
        """The likeliest reading, or the likeliest that adds up to `sums`; None from heads that read no digits."""
        return None

    def log_sum(self, features: Float[Tensor, "n c h w"], digits: int) -> Float[Tensor, "n s"]:
        """log P(sum, so many digits), from heads that take any width."""
        raise NotImplementedError

    def log_count(self, features: Float[Tensor, "n c h w"], highest: int) -> Float[Tensor, "n m"]:
        """log P(number of digits = c), c in 0..highest, from heads that take any width."""
        raise NotImplementedError


class Direct(Head):
    """Each sum is a class of its own."""

    def __init__(self, channels: int, rows: int, columns: int, digits: int):
        super().__init__(channels, rows, columns, digits)
        self.classes = nn.Linear(channels, 9 * digits + 1)

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n s"]:
        return cast(Tensor, self.classes(features.mean((2, 3)))).log_softmax(-1)


class MultiLabel(Head):
    """Each digit is present or absent; the head cannot count how often it is present."""

    def __init__(self, channels: int, rows: int, columns: int, digits: int):
        super().__init__(channels, rows, columns, digits)
        self.highest = 9 * digits
        self.presence = nn.Linear(channels, 10)

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n s"]:
        scores = cast(Tensor, self.presence(features.mean((2, 3))))
        return log_sum_of_set(nn.functional.logsigmoid(scores), nn.functional.logsigmoid(-scores), self.highest)


class Slots(Head):
    """Each of k slots holds a digit; training decides which part of the strip a slot looks at."""

    reads_digits = True

    def __init__(self, channels: int, rows: int, columns: int, digits: int):
        super().__init__(channels, rows, columns, digits)
        self.digits = digits
        self.beliefs = nn.Linear(channels * rows * columns, 10 * digits)

    def log_beliefs(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k 10"]:
        scores = cast(Tensor, self.beliefs(features.flatten(1)))
        return scores.view(-1, self.digits, 10).log_softmax(-1)

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n s"]:
        return log_sum_of_slots(self.log_beliefs(features))

    def read(self, features: Float[Tensor, "n c h w"], sums: Int64[Tensor, " n"] | None = None) -> Reading | None:
        beliefs = self.log_beliefs(features)
        if sums is None:
            return Reading(beliefs.argmax(-1), columns=None)
        never = torch.full_like(beliefs[..., 0], -math.inf)
        return Reading(likeliest_of_sum(never, beliefs, self.digits, sums)[1], columns=None)


class Columns(Head):
    """Each column of the feature map holds a digit or is blank; the columns that hold digits segment the strip."""

    reads_digits = reads_places = any_width = True

    def __init__(self, channels: int, rows: int, columns: int, digits: int):
        """
        Raises:
            InputError: if there are fewer columns than digits.
        """
        super().__init__(channels, rows, columns, digits)
        if columns < digits:
            raise InputError(
                f"params.yaml: strip.width leaves {columns} columns of the feature map for {digits} digits; "
                "widen it, or set model.head: direct"
            )
        self.digits = digits
        self.beliefs = nn.Conv2d(channels, 11, (rows, 1))  # ten digits, then blank
        bias = cast(Tensor, self.beliefs.bias)
        if not self.beliefs.weight.is_meta:  # for a shape alone, torch would import its compiler
            nn.init.normal_(self.beliefs.weight, std=INITIAL_STD)
        nn.init.zeros_(bias)
        with torch.no_grad():  # an untrained head expects k digits, if there are more columns than that
            bias[10] = math.log(10 * max(columns - digits, 0.5) / digits)

    def log_beliefs(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n w 11"]:
        return cast(Tensor, self.beliefs(features)).squeeze(2).transpose(1, 2).log_softmax(-1)

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n s"]:
        return self.log_sum(features, self.digits)

    def log_sum(self, features: Float[Tensor, "n c h w"], digits: int) -> Float[Tensor, "n s"]:
        beliefs = self.log_beliefs(features)
        return log_sum_of_columns(beliefs[..., 10], beliefs[..., :10], digits)

    def log_count(self, features: Float[Tensor, "n c h w"], highest: int) -> Float[Tensor, "n m"]:
        return log_count_of_columns(self.log_beliefs(features)[..., 10], highest)

    def read(self, features: Float[Tensor, "n c h w"], sums: Int64[Tensor, " n"] | None = None) -> Reading | None:
        """The likeliest of all ways to put exactly k digits into the columns."""
        beliefs = self.log_beliefs(features)
        if sums is not None:
            columns, digits = likeliest_of_sum(beliefs[..., 10], beliefs[..., :10], self.digits, sums)
            return Reading(digits, columns)
        likeliest, digit = beliefs[..., :10].max(-1)
        columns = (likeliest - beliefs[..., 10]).topk(self.digits, dim=1).indices.sort(dim=1).values
        return Reading(digit.gather(1, columns), columns)


HEADS: dict[str, type[Head]] = {
    "direct": Direct,
    "multi_label": MultiLabel,
    "slots": Slots,
    "columns": Columns,
}


def any_width() -> list[str]:
    """The names of the heads that take strips of any width."""
    return [name for name, head in HEADS.items() if head.any_width]
