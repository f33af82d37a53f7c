from typing import Annotated, Literal

from pydantic import Field, model_validator

from digitsum.arithmetic import Arithmetic
from digitsum.params.augment import AugmentParams
from digitsum.params.section import NonNegative, Positive, Section, Strict, Threads


class RecomposeParams(Strict):
    """Training strips composed of glyphs that the model cut out of the other training strips."""

    share: float = Field(ge=0, lt=1)
    cut_at: tuple[Annotated[float, Field(gt=0, lt=1)], ...]
    strips: int = Field(ge=1)
    sure: float = Field(gt=0, lt=1)
    hard: float = Field(ge=0, le=1)
    spacing: int = Field(ge=8)  # a column of the feature map is 8 pixels wide
    nearest: int = Field(ge=1)
    augment: AugmentParams

    @model_validator(mode="after")
    def _glyphs_fit(self) -> "RecomposeParams":
        if self.nearest > self.spacing:
            raise ValueError(f"nearest is more than spacing; set nearest to {self.spacing} or less")
        return self


class TrainParams(Section):
    """The training recipe."""

    seed: int = Field(ge=0)
    device: Literal["auto", "cpu", "cuda", "mps"]
    arithmetic: Arithmetic
    threads: Threads
    processes: int = Field(ge=1, le=256)
    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=2, le=65_536)
    learning_rate: Positive
    other_learning_rate: Positive
    warmup: float = Field(gt=0, lt=1)
    last_rate: float = Field(ge=0, le=1)
    weight_decay: NonNegative
    clip_norm: Positive
    average_decay: float = Field(ge=0, lt=1)
    dropout: float = Field(ge=0, lt=1)
    augment: AugmentParams
    recompose: RecomposeParams
