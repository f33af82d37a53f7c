"""What a model is made of and how it is trained."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from digitsum.arithmetic import Arithmetic
from digitsum.params import Section, Strict
from digitsum.strips.glyphs import SIDE
from digitsum.strips.params import AugmentParams

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


class ModelParams(Section):
    section: ClassVar[str] = "model"
    head: Literal["columns", "slots", "multi_label", "direct"]
    backbone: Literal["small", "medium", "large", "resnet18", "resnet34", "resnet50"]
    small_channels: int = Field(ge=4, le=512)
    pretrained: bool
    weights_file: str | None
    init_from: str | None
    shifts: tuple[Annotated[int, Field(ge=-14, le=14)], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _pretrained_backbones(self) -> "ModelParams":
        if self.pretrained and not self.backbone.startswith("resnet"):
            raise ValueError("only the resnets have pretrained weights; set pretrained: false or another backbone")
        if self.weights_file and not self.pretrained:
            raise ValueError("weights_file is read only with pretrained: true; set that, or weights_file: null")
        if self.init_from and self.pretrained:
            raise ValueError(
                "a backbone starts from pretrained weights or init_from, not both; set one to false or null"
            )
        return self

    def from_scratch(self) -> "ModelParams":
        """The same model, whatever its backbone starts from, which is no part of it."""
        return self.model_copy(update={"pretrained": False, "weights_file": None, "init_from": None})


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

    def digits(self, width: int, least: int) -> int:
        """How many go on a recomposed strip of so many pixels."""
        return max(least, 1 + (width - SIDE) // self.spacing)


class TrainParams(Section):
    section: ClassVar[str] = "train"
    seed: int = Field(ge=0)
    device: Literal["auto", "cpu", "cuda", "mps"]
    arithmetic: Arithmetic
    threads: int = Field(ge=1, le=256)
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
