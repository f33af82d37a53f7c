"""The 1,797 glyphs that come with scikit-learn.

Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), its test part.
"""

from importlib.metadata import version

import numpy as np

from digitsum.params.ingest import IngestParams
from digitsum.params.strip import StripParams
from digitsum.strips.glyphs import SIDE, Glyphs
from digitsum.strips.raw import Raw
from digitsum.strips.sources.source import Script, Source


def sklearn_digits() -> Glyphs:
    """8 x 8 pixels with 17 gray levels, enlarged to 28 x 28 pixels with 256."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    bundled = load_digits()
    scale = SIDE / 8
    images = zoom(bundled.images, (1, scale, scale), order=1, mode="nearest", grid_mode=True)
    images = np.rint(images * (255 / 16)).astype(np.uint8)
    digits = bundled.target.astype(np.uint8)
    return Glyphs(images, digits, reserved=np.zeros(len(digits), bool))


def read(_ingest: IngestParams, _strip: StripParams) -> Raw:
    return Raw("digits", sklearn_digits(), {"package": f"scikit-learn {version('scikit-learn')}"})


TITLE = "scikit-learn's digits"
COLLECTION = frozenset({TITLE})
SOURCE = Source(
    TITLE,
    read,
    composed=True,
    script=Script(28, 6.8),
    trains_on=COLLECTION,
    tests_on=COLLECTION,
)
