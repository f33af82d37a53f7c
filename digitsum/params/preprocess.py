from typing import Annotated

from pydantic import Field, model_validator

from digitsum.params.section import Fraction, Section

Range = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]  # lowest and highest, in pixels
Count = Annotated[int, Field(ge=1, le=10_000_000)]


class PreprocessParams(Section):
    """How the data are split, and how strips are composed of glyphs."""

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
