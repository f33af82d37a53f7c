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

    def is_sound(self) -> bool:
        """Whether shapes and types are those above, and the digits 0 to 9."""
        count = self.images.shape[:1]
        return (
            [array.dtype.name for array in (self.images, self.digits, self.reserved)] == ["uint8", "uint8", "bool"]
            and self.images.shape[1:] == (SIDE, SIDE)
            and self.digits.shape == self.reserved.shape == count
            and int(self.digits.max(initial=0)) <= 9
        )
