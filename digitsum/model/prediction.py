"""What a model predicts about many strips: log P(sum), the digits that it reads, where they are, and how many."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Int64, Integer, UInt8
from torch import Tensor, nn

from digitsum.model import BATCH_SIZE
from digitsum.model.architecture import SumModel
from digitsum.progress import Progress

# Up to so many strips pass the backbone in all their shifts at once, which is quicker; more would overflow a CPU's
# caches.
FEW = 32
LIKELIEST = 3  # sums that an answer names


@dataclass(frozen=True)
class Prediction:
    """Predictions for n strips.

    `digits` is None from heads that read no digits, `centres` (pixels from the left edge) from heads that read no
    places.
    """

    log_probability: Float[np.ndarray, "n s"]
    digits: Int[np.ndarray, "n k"] | None
    centres: Int[np.ndarray, "n k"] | None


@torch.inference_mode()
def predict(
    model: SumModel,
    strips: UInt8[np.ndarray, "n h w"],
    batch_size: int = BATCH_SIZE,
    shifts: Sequence[int] | None = None,
    sums: Integer[np.ndarray, " n"] | None = None,
) -> Prediction:
    """Predict in evaluation mode, at the model's temperature.

    Probabilities are conditional on k digits, so they sum to one. They are means over the strip moved right by each of
    `shifts` pixels, by default those of the model's params. The reading comes from the shift under which the predicted
    sum is likeliest. With `sums`, it is the likeliest reading that adds up to the given sum, from the shift under which
    that sum is likeliest.
    """
    shifts = model.params.shifts if shifts is None else shifts
    parts: list[tuple[Tensor, ...]] = []
    with Progress("predict", len(strips), "strips") as progress:
        for rows, batch in _batches(model, strips, batch_size):
            known = None if sums is None else torch.from_numpy(sums[rows].astype(np.int64)).to(model.device)
            parts.append(predict_batch(model, batch, shifts, known))
            progress.advance(len(batch))
    arrays = [torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True)]
    return Prediction(*arrays, *[None] * (3 - len(arrays)))


@torch.inference_mode()
def predict_counts(
    model: SumModel, strips: UInt8[np.ndarray, "n h w"], highest: int, batch_size: int = BATCH_SIZE
) -> Float[np.ndarray, "n m"]:
    """log P(number of digits = c), c in 0..highest, from a model whose head takes strips of any width."""
    batches = _batches(model, strips, batch_size)
    return torch.cat([model.head.log_count(model.features(batch), highest).cpu() for _, batch in batches]).numpy()


def _batches(
    model: SumModel, strips: UInt8[np.ndarray, "n h w"], size: int
) -> Iterator[tuple[slice, UInt8[Tensor, "b h w"]]]:
    """The rows of each batch, and the batch on the device of the model, which is put into evaluation mode."""
    model.eval()
    for start in range(0, max(len(strips), 1), size):  # an empty batch where there are no strips
        rows = slice(start, start + size)
        yield rows, torch.from_numpy(strips[rows].copy()).to(model.device)


def predict_batch(
    model: SumModel, strips: UInt8[Tensor, "n h w"], shifts: Sequence[int], sums: Int64[Tensor, " n"] | None
) -> tuple[Tensor, ...]:
    """log P(sum) and, as far as the head reads them, digits and centres of strips on the model's device."""
    shifted = [nn.functional.pad(strips, (shift, -shift)) for shift in shifts]
    if len(strips) <= FEW:
        features = model.features(torch.cat(shifted))
        views = list(features.reshape(len(shifts), len(strips), *features.shape[1:]))
    else:
        views = [model.features(view) for view in shifted]
    each = torch.stack([model.head(view).log_softmax(-1) for view in views])
    mean = (each.logsumexp(0) / model.temperature).log_softmax(-1)
    readings = [reading for view in views if (reading := model.head.read(view, sums)) is not None]
    if not readings:
        return (mean,)
    rows = torch.arange(len(strips), device=strips.device)
    likeliest = each[:, rows, mean.argmax(-1) if sums is None else sums].argmax(0)
    digits = torch.stack([reading.digits for reading in readings])[likeliest, rows]
    columns = [reading.columns for reading in readings if reading.columns is not None]
    if not columns:
        return mean, digits
    moved = torch.tensor(shifts, device=strips.device)[likeliest, None]
    centres = torch.stack(columns)[likeliest, rows] * model.backbone.stride - moved + model.offset.long()
    return mean, digits, centres.clamp(0, model.data.width - 1)
