"""Splits glyphs or strips into a training, a validation and a test part."""

import hashlib
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int, Integer, UInt8

from digitsum.places import RAW

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")

# all that decides which glyphs or strips of a source are in the test part
DECIDING_PARAMS = ("preprocess.seed", "preprocess.test_fraction")
DECIDING_CODE = ("stages/preprocess.py", "digitsum/strips/split.py", "digitsum/strips/glyphs.py")


def deciding_files(source: str, composed: bool) -> tuple[str, ...]:
    """The files that decide which data of a source are in the test part, relative to the repository's root.

    Glyphs are drawn by their number, so all glyphs decide. Strips that arrive whole are each assigned by their own
    pixels, so only the module that reads them decides.
    """
    return (*DECIDING_CODE, str(RAW) if composed else f"digitsum/strips/sources/{source}.py")


def split(
    classes: Integer[np.ndarray, " n"],
    val_fraction: float,
    test_fraction: float,
    rng: np.random.Generator,
    reserved: Bool[np.ndarray, " n"] | None = None,
) -> dict[Part, Int[np.ndarray, " _"]]:
    """Indices of each part, stratified by class as far as rare classes allow.

    If any members are `reserved`, they and only they are the test part.
    """
    members = np.arange(len(classes))
    if reserved is not None and reserved.any():
        test = reserved
    else:
        test = _systematic(classes, test_fraction, rng)
    rest = members[~test]
    val = _systematic(classes[rest], val_fraction * len(classes) / max(len(rest), 1), rng)
    return {"train": rest[~val], "val": rest[val], "test": members[test]}


def split_by_pixels(
    images: UInt8[np.ndarray, "n h w"], val_fraction: float, test_fraction: float, seed: int
) -> dict[Part, Int[np.ndarray, " _"]]:
    """Indices of each part, to which a hash of the seed and of an image's pixels assigns the image.

    Equal images are in the same part, and every image stays in its part when others are added. So no strip that an
    earlier model was trained on ever tests a later one.
    """
    key = str(seed).encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    hashes = [hashlib.blake2b(image.tobytes(), digest_size=8, key=key).digest() for image in images]
    uniform = np.frombuffer(b"".join(hashes), "<u8") / 2.0**64
    in_test, in_val = uniform < test_fraction, uniform < test_fraction + val_fraction
    return {
        "train": np.flatnonzero(~in_val),
        "val": np.flatnonzero(in_val & ~in_test),
        "test": np.flatnonzero(in_test),
    }


def duplicates(images: UInt8[np.ndarray, "n h w"]) -> Int[np.ndarray, " n"]:
    """A number for each image; two images have the same number exactly if all their pixels are equal."""
    seen: dict[bytes, int] = {}
    return np.array(
        [seen.setdefault(hashlib.sha256(image.tobytes()).digest(), len(seen)) for image in images], dtype=np.int64
    )


def _systematic(
    classes: Integer[np.ndarray, " n"], fraction: float, rng: np.random.Generator
) -> Bool[np.ndarray, " n"]:
    """Systematic sampling: sort by class, shuffle within each class, and take every (1 / fraction)-th member.

    The start is random. Every class, and every run of neighboring classes, gives its share to within one member, so no
    class is too rare.
    """
    order = np.lexsort((rng.random(len(classes)), classes))
    ticks = np.floor((np.arange(len(classes) + 1) * fraction) + rng.random())
    taken = np.zeros(len(classes), bool)
    taken[order] = np.diff(ticks) > 0
    return taken
