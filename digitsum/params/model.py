from typing import Annotated, Literal

from pydantic import Field, model_validator

from digitsum.params.section import Section


class ModelParams(Section):
    """The architecture, and the weights that its backbone starts from."""

    head: Literal["columns", "slots", "multi_label", "direct"]
    backbone: Literal["small", "medium", "large", "resnet18", "resnet34", "resnet50"]
    small_channels: int = Field(ge=4, le=512)
    pretrained: bool
    weights_file: str | None
    init_from: str | None
    shifts: tuple[Annotated[int, Field(ge=-14, le=14)], ...] = Field(min_length=1, max_length=29)

    @model_validator(mode="after")
    def _pretrained_backbones(self) -> "ModelParams":
        if self.pretrained and not self.backbone.startswith("resnet"):
            raise ValueError("only the resnets have pretrained weights; set pretrained: false or another backbone")
        if self.weights_file and not self.pretrained:
            raise ValueError("weights_file is read only with pretrained: true; set that, or weights_file: null")
        if self.init_from and self.pretrained:
            raise ValueError(
                "a backbone starts from pretrained weights or from init_from; set pretrained: false or init_from: null"
            )
        return self

    def from_scratch(self) -> "ModelParams":
        """The architecture alone, without the weights that its backbone started from."""
        return self.model_copy(update={"pretrained": False, "weights_file": None, "init_from": None})
