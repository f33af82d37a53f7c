"""All 70,000 glyphs of MNIST. Its test part, 10,000 glyphs by other writers, is kept for testing.

Source: Y. LeCun, C. Cortes, C. Burges, The MNIST Database of Handwritten Digits (1998).
"""

import hashlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from digitsum.errors import InputError, one_line
from digitsum.formats import read_idx
from digitsum.params.ingest import IngestParams
from digitsum.params.strip import StripParams
from digitsum.places import repository_root
from digitsum.strips.glyphs import SIDE, Glyphs
from digitsum.strips.raw import Raw
from digitsum.strips.sources.source import MNIST_TEST, MNIST_TRAINING, Script, Source

FILES = tuple(f"{part}-{kind}-ubyte" for part in ("t10k", "train") for kind in ("images-idx3", "labels-idx1"))
RAW = Path("MNIST", "raw")  # where torchvision has them


def from_mnist(root: Path) -> Raw:
    """Reads the four files in `root/MNIST/raw` or in `root`, or downloads them into the former.

    Raises:
        InputError: if the files are missing and cannot be downloaded, or are damaged.
    """
    found = {name: path for name in FILES if (path := _find(root, name))}
    if not found:
        _download(root)
        found = {name: root / RAW / name for name in FILES}
    if missing := [name for name in FILES if name not in found]:
        there = next(iter(found.values())).name
        raise InputError(f"{root}: has {there}, but no {missing[0]}; MNIST's files are {', '.join(FILES)}")
    arrays = {name: read_idx(path) for name, path in found.items()}
    test, train = _part(root, arrays, FILES[:2]), _part(root, arrays, FILES[2:])
    images, digits = (np.concatenate(both) for both in zip(train, test, strict=True))
    content = Glyphs(images, digits, reserved=np.arange(len(digits)) >= len(train[0]))
    return Raw("mnist", content, {"files": {name: _sha256(array) for name, array in arrays.items()}})


def _find(root: Path, name: str) -> Path | None:
    """A file of MNIST, which some distributors name `train-images.idx3-ubyte` or leave compressed."""
    names = [other + end for other in (name, name.replace("-idx", ".idx")) for end in ("", ".gz")]
    return next((path for folder in (root / RAW, root) for other in names if (path := folder / other).is_file()), None)


def _download(root: Path) -> None:
    """Download with torchvision, which compares checksums; if that fails, no folder stays that was not there before."""
    from torchvision.datasets import MNIST

    made = [folder for folder in (root / RAW, *(root / RAW).parents) if not folder.exists()]
    try:
        for part in (True, False):
            MNIST(root, train=part, download=True)
    except Exception as error:  # the network, and archives that are none, have no common error
        for folder in made:
            with suppress(OSError):  # not empty
                folder.rmdir()
        raise InputError(
            f"{root}: MNIST is not there, nor can it be downloaded ({one_line(error)}); put its four *-ubyte files "
            "there, or set ingest.mnist_root to the folder that has them"
        ) from error


def _part(root: Path, arrays: dict[str, np.ndarray], names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    images, digits = (arrays[name] for name in names)
    if images.shape != (len(images), SIDE, SIDE) or digits.shape != images.shape[:1] or digits.max(initial=0) > 9:
        raise InputError(
            f"{root}: MNIST with images of shape {images.shape} and labels of shape {digits.shape} up to "
            f"{digits.max(initial=0)}; as many 28 x 28 images as labels in 0..9 expected"
        )
    return images, digits


def _sha256(array: np.ndarray) -> str:
    """The checksum of the IDX file that holds an array."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return hashlib.sha256(header + array.tobytes()).hexdigest()


def read(ingest: IngestParams, _strip: StripParams) -> Raw:
    return from_mnist(repository_root() / Path(ingest.mnist_root).expanduser())


SOURCE = Source(
    "MNIST",
    read,
    composed=True,
    script=Script(20, 2.9),
    trains_on=frozenset({MNIST_TRAINING}),
    tests_on=frozenset({MNIST_TEST}),
)
