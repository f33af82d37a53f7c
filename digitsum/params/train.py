from typing import Annotated, Literal

from pydantic import Field, model_validator

from digitsum.params.augment import AugmentParams
from digitsum.params.section import NonNegative, Positive, Section, Strict, Threads


class RecomposeParams(Strict):
    """Of strips made anew from glyphs that were cut out of the training strips."""

    share: float = Field(ge=0, lt=1)  # of each batch
    cut_at: tuple[Annotated[float, Field(gt=0, lt=1)], ...]  # shares of the steps
    strips: int = Field(ge=1)  # to cut from, at most
    sure: float = Field(gt=0, lt=1)  # the least P(known sum) of a strip to cut from
    hard: float = Field(ge=0, le=1)  # share of the glyphs drawn in proportion to their strip's loss, up to 2 nats
    spacing: int = Field(ge=8)  # pixels of the strip's width to a glyph: a column of the feature map at least
    nearest: int = Field(ge=1)  # pixels from the left edge of one to that of the next, at least
    augment: AugmentParams  # of each glyph

    @model_validator(mode="after")
    def _glyphs_fit(self) -> "RecomposeParams":
        if self.nearest > self.spacing:
            raise ValueError(f"nearest is more than spacing, which is {self.spacing}; set it to that or less")
        return self


class TrainParams(Section):
    """The training recipe."""

    seed: int = Field(ge=0)
    device: Literal["auto", "cpu", "cuda", "mps"]
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
