"""Reads strips of any mixture of widths, with a given number of digits or as many as the model counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from digitsum.errors import InputError
from digitsum.model import BATCH_SIZE
from digitsum.model.architecture import SumModel
from digitsum.model.heads import any_width
from digitsum.model.prediction import predict, predict_counts
from digitsum.reading.fitting import FittedStrip, StripFormat

MOST_DIGITS = 100  # on one strip; at the widest default spacing, 42 pixels, the widest strip has room for 97

Count = int | Literal["auto"] | None  # digits on a strip; None: as many as in training; "auto": the model counts


@dataclass(frozen=True)
class Answer:
    """The likeliest sum and its probability; `digits` and `positions` are None where the head does not read them.

    Positions are in pixels of the image, from its left edge.
    """

    sum: int
    probability: float
    digits: list[int] | None
    positions: list[int] | None


class Reader:
    def __init__(self, model: SumModel, count: Count = None):
        """
        Raises:
            InputError: if the model cannot read this number of digits.
        """
        self._model, self._count = model, model.data.digits if count is None else count
        if self._count != "auto" and not 1 <= self._count <= MOST_DIGITS:
            raise InputError(f"{self._count} digits on a strip: 1 to {MOST_DIGITS} can be read")
        if self._count != model.data.digits and not model.head.any_width:
            raise InputError(
                f"the head {model.params.head} reads {model.data.digits} digits and no other number; "
                f"train a model with model.head: {' or '.join(any_width())}"
            )
        self.format = StripFormat.of(model.data, model.head.any_width)
        self._model_for = lru_cache(maxsize=16)(self._made_for)

    def read(self, strips: Sequence[FittedStrip], batch_size: int = BATCH_SIZE) -> list[Answer | InputError]:
        """For each strip an answer, or the reason why there is none."""
        answers: list[Answer | InputError] = [InputError("the model reads no digits on it")] * len(strips)
        widths = np.array([strip.image.shape[1] for strip in strips], int)
        for width in np.unique(widths):
            alike = np.flatnonzero(widths == width)
            images = np.stack([strips[number].image for number in alike.tolist()])
            counts, sure = self._counted(images)
            for count in np.unique(counts[counts > 0]):
                chosen = np.flatnonzero(counts == count)
                model = self._model_for(int(count), int(width))
                said = predict(model, _filled(images[chosen], model.data.width), batch_size)
                sums = said.log_probability.argmax(axis=1)
                probability = sure[chosen] * np.exp(said.log_probability[np.arange(len(sums)), sums].astype(np.float64))
                for row, number in enumerate(alike[chosen].tolist()):
                    places = None if said.centres is None else strips[number].places(said.centres[row]).tolist()
                    digits = None if said.digits is None else said.digits[row].tolist()
                    answers[number] = Answer(int(sums[row]), float(probability[row]), digits, places)
        return answers

    def _counted(self, images: UInt8[np.ndarray, "n h w"]) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """The number of digits to read on each strip, and its probability."""
        if self._count != "auto":
            return np.full(len(images), self._count), np.ones(len(images), np.float32)
        columns = images.shape[2] // self._model.backbone.stride
        log_probability = predict_counts(self._model, images, min(columns, MOST_DIGITS))
        return log_probability.argmax(axis=1), np.exp(log_probability.max(axis=1))

    def _made_for(self, count: int, width: int) -> SumModel:
        """The model for strips with this number of digits and of at least this width: one column for each digit."""
        width = max(width, count * self._model.backbone.stride)
        if (count, width) == (self._model.data.digits, self._model.data.width):
            return self._model
        return self._model.for_strips(count, width).to(self._model.offset.device)


def _filled(images: UInt8[np.ndarray, "n h v"], width: int) -> UInt8[np.ndarray, "n h {width}"]:
    """Images with black columns added on the right, up to the width."""
    return np.pad(images, ((0, 0), (0, 0), (0, width - images.shape[2]))) if images.shape[2] < width else images
