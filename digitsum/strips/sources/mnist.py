"""All 70,000 glyphs of MNIST. Its test part, 10,000 glyphs by other writers, is kept for testing.

Source: Y. LeCun, C. Cortes, C. Burges, The MNIST Database of Handwritten Digits (1998).
"""

from pathlib import Path

import numpy as np

from digitsum.errors import InputError, one_line
from digitsum.files import sha256
from digitsum.params.ingest import IngestParams
from digitsum.params.strip import StripParams
from digitsum.places import repository_root
from digitsum.strips.glyphs import SIDE, Glyphs
from digitsum.strips.raw import Raw
from digitsum.strips.sources.source import MNIST_TEST, MNIST_TRAINING, Script, Source


def from_mnist(root: Path) -> Raw:
    """Reads the four files in `root/MNIST/raw`, or downloads them into it.

    Raises:
        InputError: if the files are missing and cannot be downloaded, or are damaged.
    """
    from torchvision.datasets import MNIST

    folder = root / "MNIST" / "raw"
    try:
        train, test = (MNIST(root, train=part, download=True) for part in (True, False))
    except (OSError, RuntimeError, ValueError, AssertionError, IndexError) as error:
        raise InputError(
            f"{folder}: MNIST cannot be read here, nor downloaded ({one_line(error)}); "
            "put its four *-ubyte files there, or set ingest.mnist_root to the folder that has MNIST/raw"
        ) from error
    images = np.concatenate([train.data.numpy(), test.data.numpy()])
    digits = np.concatenate([train.targets.numpy(), test.targets.numpy()])
    if images.shape[1:] != (SIDE, SIDE) or len(images) != len(digits) or not np.isin(digits, range(10)).all():
        raise InputError(
            f"{folder}: {len(images)} images of {images.shape[1:]} and {len(digits)} labels in "
            f"{digits.min()}..{digits.max()}; as many 28 x 28 images as labels in 0..9 expected"
        )
    content = Glyphs(images, digits.astype(np.uint8), reserved=np.arange(len(digits)) >= len(train.targets))
    return Raw("mnist", content, {"files": {file.name: sha256(file) for file in sorted(folder.glob("*-ubyte"))}})


def read(ingest: IngestParams, _strip: StripParams) -> Raw:
    return from_mnist(repository_root() / ingest.mnist_root)


SOURCE = Source(
    "MNIST",
    read,
    composed=True,
    script=Script(20, 2.9),
    trains_on=frozenset({MNIST_TRAINING}),
    tests_on=frozenset({MNIST_TEST}),
)
