"""Glyphs: pictures of single digits."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

SIDE = 28  # pixels, the height and width of a glyph


@dataclass(frozen=True)
class Glyphs:
    """White ink on black. `reserved` marks the glyphs that their source keeps for testing."""

    images: UInt8[np.ndarray, "n 28 28"]
    digits: UInt8[np.ndarray, " n"]
    reserved: Bool[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.digits)
