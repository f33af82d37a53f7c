"""Strips in the form of the original data set: `data0.npy` with `lab0.npy`, `data1.npy` with `lab1.npy`, and so on.

The original data set's strips are made of MNIST glyphs. Which glyphs they are is unknown, so a model of MNIST glyphs
may have seen them, and a model of these strips may have seen any MNIST glyph.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from digitsum.errors import InputError
from digitsum.files import sha256
from digitsum.formats import read_array
from digitsum.params.ingest import IngestParams
from digitsum.params.strip import StripParams
from digitsum.places import EXTERNAL
from digitsum.strips.contrast import BRIGHT, DARK, bright_on_black
from digitsum.strips.dataset import Strips
from digitsum.strips.raw import Raw
from digitsum.strips.sources.source import MNIST_TEST, MNIST_TRAINING, Script, Source

MOST = 10_000_000  # strips in a file


def from_npy(folder: Path, digits: int, height: int, width: int) -> Raw:
    """All pairs of files in a folder, joined in the order of their numbers.

    Raises:
        InputError: if a file is missing, damaged, numbered in another way, or holds anything but uint8 images of that
            size with bright ink on black, or sums in 0..9k.
    """
    images_of, sums_of = (_numbered(folder, name) for name in ("data", "lab"))
    if not images_of and not sums_of:
        raise InputError(f"{folder}: no data0.npy with its lab0.npy; put the data set's files there")
    for number in sorted(images_of.keys() ^ sums_of.keys()):
        there, missing = ("data", "lab") if number in images_of else ("lab", "data")
        raise InputError(
            f"{folder / f'{missing}{number}.npy'}: no such file, but {there}{number}.npy is there; both are needed"
        )
    numbers = sorted(images_of)
    images, sums = [], []
    for number in numbers:
        images.append(_checked_images(images_of[number], height, width))
        sums.append(_checked_sums(sums_of[number], 9 * digits))
        if len(images[-1]) != len(sums[-1]):
            raise InputError(
                f"{sums_of[number]}: {len(sums[-1])} labels for the {len(images[-1])} images of data{number}.npy; "
                "one each expected"
            )
    files = [path[number] for number in numbers for path in (images_of, sums_of)]
    content = Strips(np.concatenate(images), np.concatenate(sums))
    return Raw("npy", content, {"files": {file.name: sha256(file) for file in files}})


def _numbered(folder: Path, name: str) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for file in sorted(folder.glob(f"{name}*.npy")):
        if (match := re.fullmatch(rf"{name}(0|[1-9][0-9]{{0,8}})\.npy", file.name)) is None:
            raise InputError(f"{file}: not {name}0.npy, {name}1.npy or so on; rename it, or put it elsewhere")
        found[int(match[1])] = file
    return found


def _checked_images(path: Path, height: int, width: int) -> UInt8[np.ndarray, "n {height} {width}"]:
    images = read_array(path)
    expected = f"uint8 images of {height} x {width} in 0..255, shape (n, {height}, {width}), expected"
    if images.ndim != 3 or images.shape[1:] != (height, width):
        raise InputError(
            f"{path}: the shape is {images.shape}; {expected} (strip.height and strip.width in params.yaml)"
        )
    if not 0 < len(images) <= MOST:
        raise InputError(f"{path}: holds {len(images) or 'no'} images; {expected}, with n up to {MOST:,}")
    if images.dtype != np.uint8:
        raise InputError(f"{path}: holds {_complaint(images)}; {expected}")
    wrong = np.flatnonzero(~bright_on_black(images))
    if len(wrong):
        raise InputError(
            f"{path}: {_look(images[wrong[0]])} at row {wrong[0]}, {len(wrong)} such images of {len(images)}; bright "
            f"ink of {BRIGHT} or more on a background of at most {DARK} expected"
        )
    return images


def _look(image: UInt8[np.ndarray, "h w"]) -> str:
    """What is wrong with an image that is not bright ink on black, and what would do."""
    if image.max() == 0:
        return "a black image (leave it and its label out)"
    if image.max() == 1:
        return "values 0 and 1 (multiply by 255)"
    if image.max() < BRIGHT:
        return f"ink of at most {image.max()} (stretch it to 255)"
    return "a bright background (if it is dark ink on white, save 255 - data)"


def _checked_sums(path: Path, highest: int) -> Int64[np.ndarray, " n"]:
    sums = read_array(path)
    expected = f"whole sums in 0..{highest}, shape (n,), expected"
    if sums.ndim != 1:
        raise InputError(f"{path}: the shape is {sums.shape}; {expected}")
    if len(sums) > MOST:
        raise InputError(f"{path}: {len(sums):,} labels; at most {MOST:,} are read")
    if sums.dtype.kind not in "iu":
        raise InputError(f"{path}: holds {_complaint(sums)}; {expected}")
    wrong = np.flatnonzero((sums < 0) | (sums > highest))
    if len(wrong):
        raise InputError(
            f"{path}: label {sums[wrong[0]]} at row {wrong[0]}, {len(wrong)} such labels in all; "
            f"{expected} (9 x strip.digits in params.yaml)"
        )
    return sums.astype(np.int64)


def _complaint(array: np.ndarray) -> str:
    if array.dtype.kind != "f":
        return str(array.dtype)
    if np.isnan(array).any():
        return f"{array.dtype} with NaN"
    if array.ndim == 3 and array.max() <= 1:
        return f"{array.dtype} in 0..1 (multiply by 255 and convert)"
    return str(array.dtype)


def read(_ingest: IngestParams, strip: StripParams) -> Raw:
    return from_npy(EXTERNAL, strip.digits, strip.height, strip.width)


COLLECTIONS = frozenset({MNIST_TRAINING, MNIST_TEST})
SOURCE = Source(
    "the original data set",
    read,
    composed=False,
    script=Script(20, 2.9),
    trains_on=COLLECTIONS,
    tests_on=COLLECTIONS,
)
