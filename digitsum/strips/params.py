"""What an image is, where it comes from, and how the parts are made."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from digitsum.params import Section, Strict

Range = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]
Fraction = Annotated[float, Field(gt=0, lt=0.5)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]


class StripParams(Section):
    """The geometry of one image."""

    section: ClassVar[str] = "strip"
    digits: int = Field(ge=1, le=8)
    height: int = Field(ge=28, le=512)
    width: int = Field(ge=28, le=4096)


class IngestParams(Section):
    section: ClassVar[str] = "ingest"
    source: Literal["digits", "mnist", "npy"]
    mnist_root: str = Field(min_length=1)


class AugmentParams(Strict):
    """Random warps, uniform in plus or minus each bound."""

    rotate: float = Field(ge=0, le=30)  # degrees; a wide strip is no longer readable much beyond 5
    shear: float = Field(ge=0, le=0.5)
    scale: float = Field(ge=0, le=0.3)
    shift: float = Field(ge=0, le=14)  # pixels
    elastic: float = Field(ge=0, le=3)  # pixels; more folds strokes over


class PreprocessParams(Section):
    section: ClassVar[str] = "preprocess"
    seed: int = Field(ge=0)
    val_fraction: Fraction
    test_fraction: Fraction
    train_strips: Count
    val_strips: Count
    test_strips: Count
    first_left: Range
    next_left: Range
    top: Range

    @model_validator(mode="after")
    def _ranges_ascend(self) -> "PreprocessParams":
        for name in ("first_left", "next_left", "top"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must be [low, high] with low <= high, not [{low}, {high}]")
        return self
