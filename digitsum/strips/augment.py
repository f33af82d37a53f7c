"""Random warps of strips and of glyphs: affine and elastic.

Source of the elastic warp: P. Simard et al., Best Practices for Convolutional Neural Networks, ICDAR 2003.
"""

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional

ELASTIC_NODES = 9  # pixels between neighboring nodes, about the size of a bend in a stroke


def random_warp(
    strips: Shaped[Tensor, "n h w"],
    generator: torch.Generator,
    rotate: float,
    shear: float,
    scale: float,
    shift: float,
    elastic: float,
) -> Float[Tensor, "n h w"]:
    """Each strip under its own map, sampled once and bilinearly; pixels from outside the strip are black.

    Each amount is drawn uniformly between minus and plus its bound, on the device of `generator`, which must be that of
    `strips`.

    Args:
        rotate: degrees.
        shear: pixels along the width for each pixel along the height.
        scale: share of the size, for width and height separately.
        shift: pixels.
        elastic: pixels by which the nodes of a bicubic field move, along the width and along the height.

    Returns:
        Strips with values in 0..255, float32.
    """
    count, height, width = strips.shape
    draw = torch.rand(6, count, generator=generator, device=strips.device) * 2 - 1
    angle = draw[0] * math.radians(rotate)
    slant = draw[1] * shear
    x_scale, y_scale = 1 + draw[2] * scale, 1 + draw[3] * scale
    cos, sin = angle.cos(), angle.sin()
    # from output (x, y) to input, in pixels from the center; then in affine_grid's coordinates, -1..1
    aspect = height / width
    theta = torch.stack(
        [
            torch.stack([cos * x_scale, (slant * cos - sin) * y_scale * aspect, draw[4] * shift * 2 / width], dim=-1),
            torch.stack([sin * x_scale / aspect, (slant * sin + cos) * y_scale, draw[5] * shift * 2 / height], dim=-1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(theta, [count, 1, height, width], align_corners=False)
    if elastic:
        size = [2, 1 + round(height / ELASTIC_NODES), 1 + round(width / ELASTIC_NODES)]
        nodes = elastic * (2 * torch.rand(count, *size, generator=generator, device=strips.device) - 1)
        field = functional.interpolate(nodes, (height, width), mode="bicubic", align_corners=True)
        grid = grid + torch.stack([field[:, 0] * (2 / width), field[:, 1] * (2 / height)], dim=-1)
    return functional.grid_sample(strips.unsqueeze(1).float(), grid, align_corners=False).squeeze(1)
