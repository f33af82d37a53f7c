"""Glyphs: pictures of single digits, from scikit-learn or from torchvision's MNIST."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

import numpy as np
from jaxtyping import Bool, UInt8

from digitsum.errors import InputError

SIDE = 28  # pixels


@dataclass(frozen=True)
class Glyphs:
    """White on black. `reserved` marks those that their source keeps for testing."""

    images: UInt8[np.ndarray, "n 28 28"]
    digits: UInt8[np.ndarray, " n"]
    reserved: Bool[np.ndarray, " n"]


def sklearn_digits() -> Glyphs:
    """1,797 glyphs that come with scikit-learn, 8 x 8 in 0..16, enlarged to 28 x 28 in 0..255.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), its test part.
    """
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    bundled = load_digits()
    scale = SIDE / 8
    images = zoom(bundled.images, (1, scale, scale), order=1, mode="nearest", grid_mode=True)
    images = np.rint(images * (255 / 16)).astype(np.uint8)
    digits = bundled.target.astype(np.uint8)
    return Glyphs(images, digits, reserved=np.zeros(len(digits), bool))


def mnist(root: Path) -> Glyphs:
    """All 70,000 glyphs of MNIST; the 10,000 of its test part, by other writers, are reserved.

    Reads `root/MNIST/raw`, or downloads to it.

    Raises:
        InputError: if the files are neither there nor to be had, or are damaged.
    """
    from torchvision.datasets import MNIST

    where = root / "MNIST" / "raw"
    try:
        train, test = (MNIST(root, train=part, download=True) for part in (True, False))
    except (OSError, RuntimeError, ValueError, AssertionError, IndexError) as error:
        reason = shorten(str(error) or type(error).__name__, 160)
        raise InputError(
            f"{where}: MNIST is neither readable here nor to be downloaded ({reason}); "
            "put its four *-ubyte files there, or set ingest.mnist_root to the folder that has MNIST/raw"
        ) from error
    images = np.concatenate([train.data.numpy(), test.data.numpy()])
    digits = np.concatenate([train.targets.numpy(), test.targets.numpy()])
    if images.shape[1:] != (SIDE, SIDE) or len(images) != len(digits) or not np.isin(digits, range(10)).all():
        raise InputError(
            f"{where}: {len(images)} images of {images.shape[1:]} and {len(digits)} labels in "
            f"{digits.min()}..{digits.max()}; as many 28 x 28 images as labels in 0..9 expected"
        )
    return Glyphs(images, digits.astype(np.uint8), reserved=np.arange(len(digits)) >= len(train.targets))
