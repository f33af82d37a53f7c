"""The model of sums: a backbone, a head, and the normalization before them."""

from dataclasses import replace
from typing import Any, cast

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from digitsum.errors import InputError
from digitsum.model.backbones import BACKBONES, Backbone
from digitsum.model.heads import HEADS, any_width
from digitsum.params.model import ModelParams
from digitsum.strips.dataset import Description


class SumModel(nn.Module):
    """Maps strips with pixels in 0..255 to log P(sum)."""

    def __init__(self, params: ModelParams, data: Description, backbone: Backbone | None = None):
        """
        Args:
            data: the strips to read: their size, their number of digits, and the mean and deviation of their pixels.
            backbone: one with weights to start from; by default a new one.
        """
        super().__init__()
        self.params = params.from_scratch()
        self.data = data
        self.trained_on: dict[str, Any] = {}
        self.in_bfloat16 = False  # on a device that multiplies bfloat16, this may be faster
        self.backbone = BACKBONES[params.backbone](self.params) if backbone is None else backbone
        self.feature_shape = self.backbone.channels, *self._feature_size()
        self.head = HEADS[params.head](*self.feature_shape, data.digits)
        self.offset: Tensor  # pixels from the center of a column that holds a digit to the center of its glyph
        self.register_buffer("offset", torch.zeros(()))
        self.temperature: Tensor  # predictions divide log P(sum) by it; above one, they are less sure
        self.register_buffer("temperature", torch.ones(()))
        self.to(memory_format=torch.channels_last)

    def _feature_size(self) -> tuple[int, int]:
        """Rows and columns of the feature map; layers with a stride round up."""
        return -(-self.data.height // self.backbone.row_stride), -(-self.data.width // self.backbone.stride)

    @property
    def device(self) -> torch.device:
        return self.offset.device

    def features(self, strips: Shaped[Tensor, "n h w"]) -> Float[Tensor, "n c i j"]:
        """The feature map: rows i, columns j."""
        precision = self.offset.dtype
        # pad with black to whole columns: training shows no column cut by an edge, where models see digits in nothing
        strips = nn.functional.pad(strips, (0, -strips.shape[2] % self.backbone.stride))
        x = (strips.unsqueeze(1).to(precision) / 255 - self.data.mean) / self.data.std
        with torch.autocast(strips.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            return cast(Tensor, self.backbone(x)).to(precision)

    def forward(self, strips: Shaped[Tensor, "n h w"]) -> Float[Tensor, "n s"]:
        return self.head(self.features(strips))

    def for_strips(self, digits: int, width: int) -> "SumModel":
        """The same weights for strips of another width and number of digits, on the CPU.

        Raises:
            InputError: if the head reads strips of one form only.
        """
        if not self.head.any_width and (digits, width) != (self.data.digits, self.data.width):
            raise InputError(
                f"the head {self.params.head} reads {self.data.digits} digits on {self.data.width} pixels and nothing "
                f"else; train a model with model.head: {' or '.join(any_width())}"
            )
        other = SumModel(self.params, replace(self.data, digits=digits, width=width))
        other.load_state_dict(self.state_dict())
        return other
