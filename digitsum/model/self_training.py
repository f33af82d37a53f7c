"""Self-training: glyphs that the model reads well are cut out of training strips and recomposed to strips.

No label but the sum is used. A recomposed strip may hold more digits than others: of two strips of the same size, the
one with more digits teaches more.
"""

import math

import numpy as np
import torch
from jaxtyping import Float, Int64, Integer, UInt8
from torch import Tensor

from digitsum.model.architecture import SumModel
from digitsum.model.prediction import predict
from digitsum.params.augment import AugmentParams
from digitsum.params.train import RecomposeParams
from digitsum.progress import say
from digitsum.strips.augment import random_warp
from digitsum.strips.cutting import Cuttings, cut
from digitsum.strips.dataset import Strips
from digitsum.strips.glyphs import SIDE
from digitsum.strips.ink import offset

# Below this share of right sums the model tells no digits apart, and its readings add up to a known sum by chance.
MIN_ACCURACY = 0.5
MAX_LOSS = 2.0  # nats of a strip; a higher loss counts no more, since the label may be wrong
MIN_LOSS = 1e-6  # nats; rounding can make a loss of zero negative


def recomposed_digits(width: int, spacing: int, least: int) -> int:
    """The number of digits on a recomposed strip of `width` pixels, at `spacing` pixels for each."""
    return max(least, 1 + (width - SIDE) // spacing)


def recomposed_count(share: float, batch_size: int) -> int:
    """The number of recomposed strips in a batch, which keeps one original strip at least."""
    return min(round(share * batch_size), batch_size - 1)


def readable(
    log_probability: Float[np.ndarray, "n s"], sums: Integer[np.ndarray, " n"], sure: float, hard: float
) -> tuple[Int64[np.ndarray, " r"], Float[np.ndarray, " r"]]:
    """The strips to cut glyphs from, and the weight of their glyphs; none while the model gets too few sums right.

    Args:
        sure: the least P(known sum) of a strip; a lower one may mean a wrong label.
        hard: the share of the weight that is in proportion to a strip's loss; the rest is the same for all.
    """
    losses = -log_probability[np.arange(len(sums)), sums]
    (rows,) = np.nonzero(losses < -math.log(sure))
    if accuracy(log_probability, sums) < MIN_ACCURACY or not len(rows):
        return rows[:0], losses[:0]
    loss = losses[rows].clip(MIN_LOSS, MAX_LOSS)
    return rows, 1 - hard + hard * loss / loss.mean()


def accuracy(log_probability: Float[np.ndarray, "n s"], sums: Integer[np.ndarray, " n"]) -> float:
    return float((log_probability.argmax(axis=1) == sums).mean())


def cut_glyphs(model: SumModel, strips: Strips, sure: float, hard: float) -> Cuttings | None:
    """Glyphs that the model reads in strips whose sums it is given; None if it reads too little.

    Given the sum, the model reads right even strips that it would get wrong, and these teach most. For `sure` and
    `hard` see `readable`; the model's head must read places.
    """
    prediction = predict(model, strips.images, shifts=(0,), sums=strips.sums)
    assert prediction.digits is not None
    assert prediction.centres is not None
    rows, weights = readable(prediction.log_probability, strips.sums, sure, hard)
    if not len(rows):
        right = accuracy(prediction.log_probability, strips.sums)
        say(f"train: no glyphs cut out, since the model gets only {right:.1%} of the sums right")
        return None
    images, centres = strips.images[rows], prediction.centres[rows]
    cuttings = cut(images, prediction.digits[rows], centres + offset(images, centres), weights)
    say(f"train: {len(cuttings.digits):,} glyphs cut out of the {len(rows):,} strips that are read")
    return cuttings if len(cuttings.digits) else None


def mixed_batch(
    images: UInt8[Tensor, "b h w"],
    sums: Int64[Tensor, " b"],
    augment: AugmentParams,
    cuttings: Cuttings | None,
    digits: int,
    recompose: RecomposeParams,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "b h w"], Int64[Tensor, " b"], int]:
    """Strips under random warps; recomposed strips replace the first of them.

    Args:
        cuttings: the glyphs to recompose; None to replace no strip.
        digits: the number on each recomposed strip.

    Returns:
        The strips, their sums, and how many are recomposed.
    """
    count = recomposed_count(recompose.share, len(images)) if cuttings else 0
    strips = random_warp(images[count:], generator, **augment.model_dump())
    if cuttings is None or count == 0:
        return strips, sums, 0
    height, width = images.shape[1:]
    recomposed, their_sums = cuttings.compose(
        count, digits, height, width, recompose.nearest, recompose.augment, generator
    )
    return torch.cat([recomposed, strips]), torch.cat([their_sums, sums[count:]]), count
