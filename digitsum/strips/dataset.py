"""A part of a data set and its files: strips with their sums, and apart from them the truth beyond the sum."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pydantic
from jaxtyping import Int16, Int32, Int64, UInt8
from pydantic import Field

from digitsum.errors import InputError
from digitsum.files import write_json
from digitsum.formats import read_array, read_json, write_array
from digitsum.strips.glyphs import SIDE

TRUTH_FILES = ("digits", "lefts", "tops", "glyphs")
MOST = 9 * 8  # the greatest sum: of params.strip.digits
Positive = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Strips:
    """Strips and their sums, which are all that training may see."""

    images: UInt8[np.ndarray, "n h w"]
    sums: Int64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.sums)

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_array(folder / "strips.npy", self.images)
        write_array(folder / "sums.npy", self.sums)

    @classmethod
    def read(cls, folder: Path) -> "Strips":
        """The strips in a folder, memory-mapped.

        Raises:
            InputError: if a file is missing, damaged or does not fit the other.
        """
        return cls.of(read_array(folder / "strips.npy"), read_array(folder / "sums.npy"), str(folder))

    @classmethod
    def of(cls, images: np.ndarray, sums: np.ndarray, origin: str) -> "Strips":
        """
        Raises:
            InputError: if the arrays are not strips with their sums; it names their origin.
        """
        if images.ndim != 3 or images.dtype != np.uint8 or sums.shape != images.shape[:1] or sums.dtype != np.int64:
            raise InputError(
                f"{origin}: strips are {images.dtype} {images.shape} and sums {sums.dtype} {sums.shape}; "
                "uint8 (n, height, width) and int64 (n,) expected: run dvc repro preprocess"
            )
        if int(sums.min(initial=0)) < 0 or int(sums.max(initial=0)) > MOST:
            raise InputError(f"{origin}: sums from {sums.min()} to {sums.max()}; run dvc repro preprocess")
        return cls(images, sums)


@dataclass(frozen=True)
class Truth:
    """The truth beyond the sum, known for composed strips, for diagnosis only: digits from left to right, and edges.

    `lefts` and `tops` are the left and upper edges of the glyphs, in pixels. `glyphs` are the numbers of the glyphs in
    their source.
    """

    digits: UInt8[np.ndarray, "n k"]
    lefts: Int16[np.ndarray, "n k"]
    tops: Int16[np.ndarray, "n k"]
    glyphs: Int32[np.ndarray, "n k"]

    @property
    def centres(self) -> Int16[np.ndarray, "n k"]:
        """The middles of the glyphs, in pixels from the left."""
        return self.lefts + np.int16(SIDE // 2)

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in TRUTH_FILES:
            write_array(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def read(cls, folder: Path) -> "Truth | None":
        """The truth in a folder; None if the source knows only the sums."""
        if not folder.exists():
            return None
        truth = cls(*(read_array(folder / f"{name}.npy") for name in TRUTH_FILES))
        arrays = (truth.digits, truth.lefts, truth.tops, truth.glyphs)
        if (
            [array.dtype for array in arrays] != [np.uint8, np.int16, np.int16, np.int32]
            or truth.digits.ndim != 2
            or len({array.shape for array in arrays}) > 1
        ):
            raise InputError(f"{folder}: not the digits and places of strips; run dvc repro preprocess")
        return truth


@pydantic.dataclasses.dataclass(frozen=True, config=pydantic.ConfigDict(extra="forbid", strict=True))
class Description:
    """What holds for all parts of a data set; `mean` and `std` are of the training pixels, scaled to 0..1."""

    source: str
    digits: Positive
    height: Positive
    width: Positive
    mean: Annotated[float, Field(allow_inf_nan=False)]
    std: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    def mismatch(self, other: "Description", of_pixels: bool = False) -> tuple[str, float, float] | None:
        """The first measure in which strips of the two differ, here and there; None if one model can read both.

        With `of_pixels`, mean and standard deviation of the pixels count too, so that None means the same data set.
        """
        for name in ("digits", "height", "width", *(("mean", "std") if of_pixels else ())):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                return name, ours, theirs
        return None

    def write(self, path: Path) -> None:
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def read(cls, path: Path) -> "Description":
        """
        Raises:
            InputError: if the file is missing or is not a description.
        """
        try:
            return cls(**read_json(path))
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: not the description of a data set; run dvc repro preprocess") from error
