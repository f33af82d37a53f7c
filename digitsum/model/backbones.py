"""Backbones: gray strips to feature maps. Column t of a map is centered on pixel `stride * t` of the width.

To add a backbone: a function here that takes ModelParams, its name in BACKBONES and in ModelParams.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from digitsum.errors import InputError, one_line
from digitsum.params.model import ModelParams


class Backbone(nn.Sequential):
    """Layers in a row, with the number of channels of the last, and the pixels for each column and row of the map."""

    def __init__(self, *layers: nn.Module, channels: int, stride: int, row_stride: int | None = None):
        """
        Args:
            stride: pixels of width for each column.
            row_stride: pixels of height for each row; by default as many as `stride`.
        """
        super().__init__(*layers)
        self.channels, self.stride, self.row_stride = channels, stride, row_stride or stride


def conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """A basic residual block: He et al., Deep Residual Learning for Image Recognition, 2015."""

    def __init__(self, channels: int):
        super().__init__()
        self.residual = nn.Sequential(
            conv_norm(channels, channels, 3), nn.ReLU(inplace=True), conv_norm(channels, channels, 3)
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return torch.relu(x + self.residual(x))


def small(params: ModelParams) -> Backbone:
    """For CPUs: 40 x 168 becomes 5 x 21."""
    width = params.small_channels
    return Backbone(
        conv_norm(1, width, 5, 2),
        nn.ReLU(inplace=True),
        *_halved(width, 4 * width),
        *_halved(4 * width, 8 * width),
        channels=8 * width,
        stride=8,
    )


def medium(params: ModelParams) -> Backbone:
    """`small` with twice the channels in its first layer and a block after it, where strokes are still apart."""
    width = params.small_channels
    return _from_half(width, conv_norm(1, 2 * width, 5, 2), nn.ReLU(inplace=True))


def large(params: ModelParams) -> Backbone:
    """`medium` with a layer at full size before it, at which the top of a four is still open."""
    width = params.small_channels
    full = conv_norm(1, width, 3), nn.ReLU(inplace=True)
    return _from_half(width, *full, conv_norm(width, 2 * width, 3, 2), nn.ReLU(inplace=True))


def _from_half(width: int, *stem: nn.Module) -> Backbone:
    """A stem that ends at half size with twice `width` channels, and the layers after it."""
    return Backbone(
        *stem,
        Block(2 * width),
        *_halved(2 * width, 4 * width),
        *_halved(4 * width, 8 * width),
        channels=8 * width,
        stride=8,
    )


def _halved(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return conv_norm(inputs, outputs, 3, 2), nn.ReLU(inplace=True), Block(outputs)


def torchvision_resnet(name: str, params: ModelParams) -> Backbone:
    """A ResNet of torchvision for gray strips: 40 x 168 becomes 2 x 21.

    The last two stages keep the width, which would otherwise shrink to 6 columns, fewer than glyphs may need. The first
    convolution is folded to gray: it does what the original does to an image whose three channels are the strip.

    Raises:
        InputError: if the params ask for pretrained weights and they cannot be read or downloaded.
    """
    from torchvision import models

    net = getattr(models, name)()
    if params.pretrained:
        net.load_state_dict(_imagenet_weights(name, params.weights_file))
    color = net.conv1
    net.conv1 = nn.Conv2d(1, color.out_channels, color.kernel_size, color.stride, color.padding, bias=False)
    net.conv1.weight = nn.Parameter(color.weight.detach().sum(1, keepdim=True))
    for stage in (net.layer3, net.layer4):
        for layer in stage[0].modules():
            if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2):
                layer.stride = (2, 1)
    layers = [layer for layer_name, layer in net.named_children() if layer_name not in ("avgpool", "fc")]
    return Backbone(*layers, channels=net.fc.in_features, stride=8, row_stride=32)


LARGEST = 1_000_000_000  # bytes; those of resnet50 have 103 million


def _imagenet_weights(name: str, file: str | None) -> dict[str, Tensor]:
    from torchvision import models

    published = models.get_model_weights(name)["IMAGENET1K_V1"]
    try:
        if file is not None and Path(file).stat().st_size > LARGEST:
            raise InputError(f"{file}: {Path(file).stat().st_size:,} bytes; weights of at most {LARGEST:,} are read")
        if file is None:
            return cast(dict[str, Tensor], published.get_state_dict(progress=True, check_hash=True))
        weights = torch.load(Path(file), map_location="cpu", weights_only=True)
    except OSError as error:
        if file is not None:
            raise InputError(
                f"{file}: cannot be read ({error.strerror}); set model.weights_file to a file of weights"
            ) from error
        raise InputError(
            f"the weights of {name} cannot be downloaded ({error}); fetch {published.url} where there is a network and "
            "set model.weights_file to the file, or set model.pretrained: false"
        ) from error
    except InputError:
        raise
    except Exception as error:  # on other bytes than it expects, torch.load raises nearly anything
        raise InputError(f"{file or name}: not a file of torchvision's weights ({one_line(error, 120)})") from error
    expected = getattr(models, name)().state_dict()
    if not isinstance(weights, dict) or {key: _form(value) for key, value in weights.items()} != {
        key: _form(value) for key, value in expected.items()
    }:
        raise InputError(f"{file}: not the state dict of torchvision's {name} (model.weights_file)")
    for key, value in weights.items():
        if not value.isfinite().all() or (key.endswith("running_var") and (value < 0).any()):
            raise InputError(f"{file}: {key} holds NaN, infinity or negative variances (model.weights_file)")
    return weights


def _form(value: object) -> tuple[object, ...]:
    return (value.dtype, value.shape, value.layout) if isinstance(value, Tensor) else ()


BACKBONES: dict[str, Callable[[ModelParams], Backbone]] = {
    "small": small,
    "medium": medium,
    "large": large,
    **{name: partial(torchvision_resnet, name) for name in ("resnet18", "resnet34", "resnet50")},
}
