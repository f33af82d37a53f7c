"""What a model is made of and how it is trained."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from digitsum.params import Section, Strict

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


class ModelParams(Section):
    section: ClassVar[str] = "model"
    head: Literal["columns", "slots", "multi_label", "direct"]
    backbone: Literal["small", "resnet18", "resnet34", "resnet50"]
    small_channels: int = Field(ge=4, le=512)
    pretrained: bool
    weights_file: str | None

    @model_validator(mode="after")
    def _pretrained_backbones(self) -> "ModelParams":
        if self.pretrained and self.backbone == "small":
            raise ValueError("only the resnets have pretrained weights; set pretrained: false or another backbone")
        if self.weights_file and not self.pretrained:
            raise ValueError("weights_file is read only with pretrained: true; set that, or weights_file: null")
        return self


class AugmentParams(Strict):
    """Random affine maps of whole strips, uniform in plus or minus each bound."""

    rotate: float = Field(ge=0, le=15)  # degrees; a strip is no longer readable much beyond
    shear: float = Field(ge=0, le=0.5)
    scale: float = Field(ge=0, le=0.3)
    shift: float = Field(ge=0, le=14)  # pixels


class TrainParams(Section):
    section: ClassVar[str] = "train"
    seed: int = Field(ge=0)
    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: int = Field(ge=1, le=256)
    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=2, le=65_536)
    learning_rate: Positive
    other_learning_rate: Positive
    warmup: float = Field(gt=0, lt=1)
    weight_decay: NonNegative
    clip_norm: Positive
    average_decay: float = Field(ge=0, lt=1)
    augment: AugmentParams
