"""Drift: how new data in data/external differ from the training data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chi2_contingency

from digitsum.analysis.intervals import wilson
from digitsum.files import sha256
from digitsum.formats import read_array, read_json
from digitsum.model.architecture import SumModel
from digitsum.model.prediction import predict
from digitsum.strips.dataset import Strips
from digitsum.strips.pixels import mean_and_deviation
from digitsum.strips.sources.npy import from_npy


@dataclass(frozen=True)
class Look:
    """Statistics of strips; pixels are in 0..255."""

    strips: int
    mean_sum: float
    mean_pixel: float
    std_pixel: float

    @classmethod
    def at(cls, strips: Strips) -> "Look":
        mean, deviation = mean_and_deviation(strips.images)
        return cls(len(strips), float(strips.sums.mean()), 255 * mean, 255 * deviation)


@dataclass(frozen=True)
class Drift:
    """New data beside the training data.

    `distance` is the total variation distance between the two distributions of sums; `p_value` is from a chi-squared
    test that they are the same.
    """

    files: tuple[str, ...]
    before: Look
    new: Look
    distance: float
    p_value: float
    accuracy: float  # of the model before retraining, on the new strips
    low: float  # its 95% interval
    high: float
    judge: str  # in words, the model with that accuracy


def new_strips(
    external: Path, raw_before: Path, digits: int, height: int, width: int
) -> tuple[list[str], Strips] | None:
    """Names and strips of the files that `ingest` did not read when it last ran; None if there are none.

    Raises:
        InputError: if a file in `external` is missing, damaged or does not fit.
    """
    there = from_npy(external, digits, height, width).origin["files"]
    manifest = raw_before / "manifest.json"
    known = _files_of(read_json(manifest)) if manifest.exists() else {}
    new = [name for name in there if known.get(name) != sha256(external / name)]
    numbers = sorted({int("".join(filter(str.isdigit, name))) for name in new})
    if not numbers:
        return None
    images = np.concatenate([read_array(external / f"data{number}.npy") for number in numbers])
    sums = np.concatenate([read_array(external / f"lab{number}.npy") for number in numbers]).astype(np.int64)
    return new, Strips(images, sums)


def _files_of(manifest: Any) -> dict[str, str]:
    """The checksums of the files that ingest read, by name; none if the manifest names none."""
    origin = manifest.get("origin") if isinstance(manifest, dict) else None
    files = origin.get("files") if isinstance(origin, dict) else None
    return files if isinstance(files, dict) else {}


def look(files: list[str], before: Strips, new: Strips, model: SumModel, judge: str) -> Drift:
    """The drift from `before`, the strips that the model was trained on, to `new`."""
    highest = 9 * model.data.digits
    counts = np.stack([np.bincount(part.sums, minlength=highest + 1)[: highest + 1] for part in (before, new)])
    shares = counts / counts.sum(axis=1, keepdims=True)
    seen = counts.sum(axis=0) > 0
    p_value = float(chi2_contingency(counts[:, seen]).pvalue) if seen.sum() > 1 else 1.0
    hits = int((predict(model, new.images).log_probability.argmax(axis=1) == new.sums).sum())
    low, high = wilson(hits, len(new))
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    return Drift(tuple(files), Look.at(before), Look.at(new), distance, p_value, hits / len(new), low, high, judge)
