"""Affine maps move what they should, by what they should."""

import pytest
import torch

from digitsum.strips.augment import random_affine


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def disc(count: int) -> torch.Tensor:
    """Strips with a round spot of 5 pixels' radius at x = 60, y = 20."""
    y, x = torch.meshgrid(torch.arange(40), torch.arange(168), indexing="ij")
    spot = ((x - 60) ** 2 + (y - 20) ** 2 <= 25) * 255
    return spot.to(torch.uint8).expand(count, -1, -1)


def centres(strips: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mass = strips.sum((1, 2))
    x = (strips.sum(1) * torch.arange(168)).sum(1) / mass
    y = (strips.sum(2) * torch.arange(40)).sum(1) / mass
    return x, y


def test_nothing_is_changed_by_zero_bounds(generator: torch.Generator) -> None:
    strips = torch.randint(0, 256, (3, 40, 168), generator=generator, dtype=torch.uint8)
    same = random_affine(strips, generator, rotate=0, shear=0, scale=0, shift=0.0)
    torch.testing.assert_close(same, strips.float(), rtol=0, atol=0.01)


def test_shift_is_in_pixels_and_fills_its_bounds(generator: torch.Generator) -> None:
    x, y = centres(random_affine(disc(400), generator, rotate=0, shear=0, scale=0, shift=3.0))
    for moved in (x - 60, y - 20):
        assert moved.abs().max() <= 3.01
        assert moved.max() > 2.5
        assert moved.min() < -2.5


def test_rotation_keeps_distances(generator: torch.Generator) -> None:
    """A spot 23.5 px left of and 0.5 px below the centre stays as far from it, whatever the strip's aspect."""
    x, y = centres(random_affine(disc(200), generator, rotate=10, shear=0, scale=0, shift=0))
    radius = ((x - 83.5) ** 2 + (y - 19.5) ** 2).sqrt()
    torch.testing.assert_close(radius, torch.full_like(radius, 23.505), rtol=0, atol=0.1)
    assert (y - 19.5).abs().max() > 3


def test_the_generator_decides() -> None:
    strips = disc(4)
    first, again = (random_affine(strips, torch.Generator().manual_seed(1), 5.0, 0.1, 0.1, 2.0) for _ in range(2))
    assert torch.equal(first, again)
