"""What arrives: glyphs or whole strips, checked, and written down unchanged with where they came from."""

import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int64, UInt8

from digitsum.errors import InputError
from digitsum.files import read_array, read_json, sha256, write_json
from digitsum.strips import glyphs
from digitsum.strips.dataset import Strips
from digitsum.strips.glyphs import Glyphs

GLYPH_FILES = ("images", "digits", "reserved")


@dataclass(frozen=True)
class Raw:
    """Glyphs to compose strips of, or strips as they are; `origin` says where they came from, file by file."""

    source: str
    content: Glyphs | Strips
    origin: dict[str, Any]


def from_digits() -> Raw:
    return Raw("digits", glyphs.sklearn_digits(), {"package": f"scikit-learn {version('scikit-learn')}"})


def from_mnist(root: Path) -> Raw:
    """
    Raises:
        InputError: if the files are neither there nor to be had, or are damaged.
    """
    content = glyphs.mnist(root)
    files = sorted((root / "MNIST" / "raw").glob("*-ubyte"))
    return Raw("mnist", content, {"files": {file.name: sha256(file) for file in files}})


def from_npy(folder: Path, digits: int, height: int, width: int) -> Raw:
    """The original data set's form: `data0.npy` with `lab0.npy` and so on, joined in the order of their numbers.

    Raises:
        InputError: if a file is missing, damaged, or holds anything but uint8 images of that size or sums in 0..9k.
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


def write(raw: Raw, folder: Path) -> None:
    if isinstance(raw.content, Strips):
        kind: Literal["glyphs", "strips"] = "strips"
        raw.content.write(folder)
    else:
        kind = "glyphs"
        for name in GLYPH_FILES:
            np.save(folder / f"{name}.npy", getattr(raw.content, name))
    checksums = {file.name: sha256(file) for file in sorted(folder.glob("*.npy"))}
    manifest = {
        "source": raw.source,
        "kind": kind,
        "count": counted(raw.content),
        "origin": raw.origin,
        "sha256": checksums,
    }
    write_json(folder / "manifest.json", manifest)


def read(folder: Path) -> Raw:
    """
    Raises:
        InputError: if a file is missing, or is not what the manifest says it is.
    """
    manifest = read_json(folder / "manifest.json")
    if not isinstance(manifest, dict) or not {"source", "kind", "origin", "sha256"} <= manifest.keys():
        raise InputError(f"{folder / 'manifest.json'}: not a manifest of raw data; run dvc repro --force ingest")
    for name, checksum in manifest["sha256"].items():
        if not (folder / name).exists() or sha256(folder / name) != checksum:
            raise InputError(
                f"{folder / name}: missing, or changed since it was ingested; run dvc repro --force ingest"
            )
    content: Glyphs | Strips
    if manifest["kind"] == "strips":
        content = Strips.read(folder)
    else:
        content = Glyphs(*(read_array(folder / f"{name}.npy") for name in GLYPH_FILES))
    return Raw(manifest["source"], content, manifest["origin"])


def counted(content: Glyphs | Strips) -> int:
    return len(content.sums if isinstance(content, Strips) else content.digits)


def _numbered(folder: Path, name: str) -> dict[int, Path]:
    found = {file: re.fullmatch(rf"{name}(0|[1-9]\d*)\.npy", file.name) for file in folder.glob(f"{name}*.npy")}
    return {int(match[1]): file for file, match in found.items() if match}


def _checked_images(path: Path, height: int, width: int) -> UInt8[np.ndarray, "n {height} {width}"]:
    images = read_array(path)
    expected = f"uint8 images of {height} x {width} in 0..255, shape (n, {height}, {width}), expected"
    if images.ndim != 3 or images.shape[1:] != (height, width):
        raise InputError(
            f"{path}: the shape is {images.shape}; {expected} (strip.height and strip.width in params.yaml)"
        )
    if len(images) == 0:
        raise InputError(f"{path}: holds no images; {expected}")
    if images.dtype != np.uint8:
        raise InputError(f"{path}: holds {_complaint(images)}; {expected}")
    return images


def _checked_sums(path: Path, highest: int) -> Int64[np.ndarray, " n"]:
    sums = read_array(path)
    expected = f"whole sums in 0..{highest}, shape (n,), expected"
    if sums.ndim != 1:
        raise InputError(f"{path}: the shape is {sums.shape}; {expected}")
    if not np.issubdtype(sums.dtype, np.integer):
        raise InputError(f"{path}: holds {_complaint(sums)}; {expected}")
    wrong = np.flatnonzero((sums < 0) | (sums > highest))
    if len(wrong):
        raise InputError(
            f"{path}: label {sums[wrong[0]]} at row {wrong[0]}, {len(wrong)} such; "
            f"{expected} (9 x strip.digits in params.yaml)"
        )
    return sums.astype(np.int64)


def _complaint(array: np.ndarray) -> str:
    if not np.issubdtype(array.dtype, np.floating):
        return str(array.dtype)
    if np.isnan(array).any():
        return f"{array.dtype} with NaN"
    if array.ndim == 3 and array.max() <= 1:
        return f"{array.dtype} in 0..1 (multiply by 255 and convert)"
    return str(array.dtype)
