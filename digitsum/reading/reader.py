"""Reads strips of any mixture of widths, with a given number of digits or as many as the model counts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from digitsum.errors import InputError
from digitsum.model import BATCH_SIZE
from digitsum.model.architecture import SumModel
from digitsum.model.counting import wrong_number
from digitsum.model.heads import any_width
from digitsum.model.prediction import LIKELIEST, predict, predict_counts
from digitsum.reading.fitting import FittedStrip, StripFormat, to_strip
from digitsum.reading.images import GrayImage

MOST_DIGITS = 100  # on one strip; at the widest default spacing, 42 pixels, the widest strip has room for 97

AUTO_OPTION = "--count auto reads what is there"
NO_DIGITS = "the model reads no digits on it"

Count = int | Literal["auto"] | None  # digits on a strip; None: as many as in training; "auto": the model counts


@dataclass(frozen=True)
class Answer:
    """The likeliest sum and its probability; `digits` and `positions` are None where the head does not read them.

    Positions are in pixels of the image, from its left edge. `likeliest` has the likeliest sums with their
    probabilities, the likeliest first.
    """

    sum: int
    probability: float
    digits: list[int] | None
    positions: list[int] | None
    likeliest: list[tuple[int, float]]


class _Reading(NamedTuple):
    """What the model reads on one view of an image; `probabilities` are those of the sums, given the count."""

    probabilities: Float[np.ndarray, " s"]
    digits: list[int] | None
    positions: list[int] | None


class _Counted(NamedTuple):
    """The number of digits to read on an image, and its probability, or 1 if it is given."""

    digits: int
    probability: float


class Reader:
    def __init__(self, model: SumModel, count: Count = None):
        """
        Raises:
            InputError: if the model cannot read this number of digits.
        """
        self._model, self._count = model, model.data.digits if count is None else count
        self._assumed = count is None
        if self._count != "auto" and not 1 <= self._count <= MOST_DIGITS:
            raise InputError(f"{self._count} digits on a strip: 1 to {MOST_DIGITS} can be read")
        if self._count != model.data.digits and not model.head.any_width:
            raise InputError(
                f"the head {model.params.head} reads {model.data.digits} digits and no other number; "
                f"train a model with model.head: {' or '.join(any_width())}"
            )
        self.format = StripFormat.of(model.data, model.head.any_width)
        self._model_for = lru_cache(maxsize=16)(self._made_for)

    def answer(self, image: GrayImage) -> Answer:
        """
        Raises:
            InputError: if no strip shows the digits of this image, or the model does not read it. The message is the
                reason alone, without the name of a file.
        """
        (answer,) = self.read([to_strip(image.pixels, self.format, image.reduction)])
        if isinstance(answer, InputError):
            raise answer
        return answer

    def read(self, strips: Sequence[FittedStrip], batch_size: int = BATCH_SIZE) -> list[Answer | InputError]:
        """For each strip an answer, or the reason why there is none.

        P(sum) is the mean over the views of an image. It includes the probability that there are so many digits, unless
        the number was given, or the image is a strip as `evaluate` reads it.
        """
        views = [(number, view) for number, strip in enumerate(strips) for view in (strip, *strip.views)]
        counts = self._counted(strips, views, batch_size)
        alike: dict[tuple[int, int], list[tuple[int, FittedStrip]]] = defaultdict(list)
        for number, view in views:
            count = counts[number]
            if not isinstance(count, InputError):
                alike[count.digits, view.image.shape[1]].append((number, view))
        readings: list[list[_Reading]] = [[] for _ in strips]
        for (digits, width), members in alike.items():
            model = self._model_for(digits, width)
            images = np.stack([view.image for _, view in members])
            said = predict(model, _filled(images, model.data.width), batch_size)
            for row, (number, view) in enumerate(members):
                places = None if said.centres is None else view.places(said.centres[row]).tolist()
                read = None if said.digits is None else said.digits[row].tolist()
                probabilities = np.exp(said.log_probability[row].astype(np.float64))
                readings[number].append(_Reading(probabilities, read, places))
        return [
            count if isinstance(count, InputError) else _answer(its, count.probability)
            for its, count in zip(readings, counts, strict=True)
        ]

    def _counted(
        self, strips: Sequence[FittedStrip], views: Sequence[tuple[int, FittedStrip]], batch_size: int
    ) -> list[_Counted | InputError]:
        """The number of digits to read on each strip, with its probability, or the reason to read none."""
        if self._count != "auto" and not self._model.head.any_width:
            return [_Counted(self._count, 1.0)] * len(strips)
        total = np.zeros((len(strips), MOST_DIGITS + 1))
        widths = np.array([view.image.shape[1] for _, view in views], int)
        owners = np.array([number for number, _ in views], int)
        for width in np.unique(widths):
            alike = np.flatnonzero(widths == width)
            images = np.stack([views[number][1].image for number in alike.tolist()])
            most = min(int(width) // self._model.backbone.stride, MOST_DIGITS)
            each = np.exp(predict_counts(self._model, images, most, batch_size).astype(np.float64))
            np.add.at(total[:, : most + 1], owners[alike], each)
        mean = total / np.bincount(owners, minlength=len(strips))[:, None]
        return [self._count_of(row, strip) for row, strip in zip(mean, strips, strict=True)]

    def _count_of(self, probabilities: Float[np.ndarray, " m"], strip: FittedStrip) -> _Counted | InputError:
        if self._count == "auto":
            digits = int(probabilities.argmax())
            return _Counted(digits, float(probabilities[digits])) if digits else InputError(NO_DIGITS)
        reason = wrong_number(probabilities, self._count)
        if reason is not None:
            return InputError(f"{reason}; {AUTO_OPTION}")
        assumed = self._assumed and not strip.as_given
        return _Counted(self._count, float(probabilities[self._count]) if assumed else 1.0)

    def _made_for(self, count: int, width: int) -> SumModel:
        """The model for strips with this number of digits and of at least this width: one column for each digit."""
        width = max(width, count * self._model.backbone.stride)
        if (count, width) == (self._model.data.digits, self._model.data.width):
            return self._model
        return self._model.for_strips(count, width).to(self._model.offset.device)


def _answer(readings: list[_Reading], sure: float) -> Answer:
    """The mean of what the views of an image show, and the digits of the view that shows the sum best."""
    probabilities = sure * np.mean([reading.probabilities for reading in readings], axis=0)
    sums = np.argsort(-probabilities, kind="stable")[:LIKELIEST].tolist()
    best = max(readings, key=lambda reading: float(reading.probabilities[sums[0]]))
    likeliest = [(total, float(probabilities[total])) for total in sums]
    return Answer(*likeliest[0], best.digits, best.positions, likeliest)


def _filled(images: UInt8[np.ndarray, "n h v"], width: int) -> UInt8[np.ndarray, "n h {width}"]:
    """Images with black columns added on the right, up to the width."""
    return np.pad(images, ((0, 0), (0, 0), (0, width - images.shape[2]))) if images.shape[2] < width else images
