from pydantic import Field

from digitsum.params.section import Strict


class AugmentParams(Strict):
    """Random warps, each drawn uniformly from plus or minus its bound; a part of other sections."""

    rotate: float = Field(ge=0, le=30)  # degrees; a wide strip is unreadable much beyond 5
    shear: float = Field(ge=0, le=0.5)
    scale: float = Field(ge=0, le=0.3)
    shift: float = Field(ge=0, le=14)  # pixels
    elastic: float = Field(ge=0, le=3)  # pixels; more folds strokes over
