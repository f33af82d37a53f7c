from pydantic import Field

from digitsum.params.section import Strict


class AugmentParams(Strict):
    """Bounds of random warps. Each amount is drawn uniformly between minus and plus its bound."""

    rotate: float = Field(ge=0, le=30)  # degrees; strips are hard to read much beyond 5
    shear: float = Field(ge=0, le=0.5)
    scale: float = Field(ge=0, le=0.3)
    shift: float = Field(ge=0, le=14)  # pixels
    elastic: float = Field(ge=0, le=3)  # pixels; beyond 3, strokes fold over
