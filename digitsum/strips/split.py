"""Who is in training, validation and test."""

import hashlib
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int, Integer, UInt8

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")


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
    """Indices of each part, which a hash of the seed and of an image's pixels draws for it.

    So images that are the same go to the same part, and all stay in theirs when others join them: what was trained on
    before is never what is tested on after.
    """
    key = str(seed).encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    hashes = [hashlib.blake2b(image.tobytes(), digest_size=8, key=key).digest() for image in images]
    drawn = np.frombuffer(b"".join(hashes), "<u8") / 2.0**64
    in_test, in_val = drawn < test_fraction, drawn < test_fraction + val_fraction
    return {
        "train": np.flatnonzero(~in_val),
        "val": np.flatnonzero(in_val & ~in_test),
        "test": np.flatnonzero(in_test),
    }


def duplicates(images: UInt8[np.ndarray, "n h w"]) -> Int[np.ndarray, " n"]:
    """A number for each image, the same exactly where images are the same, pixel by pixel."""
    seen: dict[bytes, int] = {}
    return np.array(
        [seen.setdefault(hashlib.sha256(image.tobytes()).digest(), len(seen)) for image in images], dtype=np.int64
    )


def _systematic(
    classes: Integer[np.ndarray, " n"], fraction: float, rng: np.random.Generator
) -> Bool[np.ndarray, " n"]:
    """Systematic sampling: order by class, shuffled within, and take every (1 / fraction)-th from a random start.

    Every class, and every run of neighbouring classes, gives its share to within one member: no class is too rare.
    """
    order = np.lexsort((rng.random(len(classes)), classes))
    ticks = np.floor((np.arange(len(classes) + 1) * fraction) + rng.random())
    taken = np.zeros(len(classes), bool)
    taken[order] = np.diff(ticks) > 0
    return taken
