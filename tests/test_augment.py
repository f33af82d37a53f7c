"""Warps move what they should, by what they should."""

import pytest
import torch

from digitsum.strips.augment import random_warp


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
    same = random_warp(strips, generator, rotate=0, shear=0, scale=0, shift=0, elastic=0)
    torch.testing.assert_close(same, strips.float(), rtol=0, atol=0.01)


def test_shift_is_in_pixels_and_fills_its_bounds(generator: torch.Generator) -> None:
    x, y = centres(random_warp(disc(400), generator, rotate=0, shear=0, scale=0, shift=3.0, elastic=0))
    for moved in (x - 60, y - 20):
        assert moved.abs().max() <= 3.01
        assert moved.max() > 2.5
        assert moved.min() < -2.5


def test_rotation_keeps_distances(generator: torch.Generator) -> None:
    """A spot 23.5 px left of and 0.5 px below the centre stays as far from it, whatever the strip's aspect."""
    x, y = centres(random_warp(disc(200), generator, rotate=10, shear=0, scale=0, shift=0, elastic=0))
    radius = ((x - 83.5) ** 2 + (y - 19.5) ** 2).sqrt()
    torch.testing.assert_close(radius, torch.full_like(radius, 23.505), rtol=0, atol=0.1)
    assert (y - 19.5).abs().max() > 3


def test_shear_moves_along_the_width_alone_by_a_share_of_the_height(generator: torch.Generator) -> None:
    """A spot 10.5 px below the centre."""
    x, y = centres(random_warp(disc(300).roll(10, 1), generator, rotate=0, shear=0.2, scale=0, shift=0, elastic=0))
    assert 1.9 < (x - 60).max() < 2.2
    assert -2.2 < (x - 60).min() < -1.9
    torch.testing.assert_close(y, torch.full_like(y, 30), rtol=0, atol=0.05)


def test_scale_is_a_share_of_the_size(generator: torch.Generator) -> None:
    """A spot 23.5 px left of the centre."""
    x, y = centres(random_warp(disc(300), generator, rotate=0, shear=0, scale=0.1, shift=0, elastic=0))
    distance = 83.5 - x
    assert 23.5 / 1.1 - 0.1 < distance.min() < 23.5 / 1.08
    assert 23.5 / 0.92 < distance.max() < 23.5 / 0.9 + 0.1
    torch.testing.assert_close(y, torch.full_like(y, 20), rtol=0, atol=0.1)


def test_elastic_moves_far_places_apart_by_about_its_bound(generator: torch.Generator) -> None:
    strips = disc(300).maximum(disc(1).roll(40, 2))
    bent = random_warp(strips, generator, rotate=0, shear=0, scale=0, shift=0, elastic=2.0)
    left, right = bent.clone(), bent.clone()
    left[:, :, 80:], right[:, :, :80] = 0, 0
    moved, other = centres(left)[0] - 60, centres(right)[0] - 100
    for one in (moved, other):
        assert 1 < one.abs().max() < 2.5
        assert one.mean().abs() < 0.3
    assert torch.corrcoef(torch.stack([moved, other]))[0, 1].abs() < 0.2


def test_elastic_never_folds_at_its_highest(generator: torch.Generator) -> None:
    ramp = torch.arange(168.0).expand(200, 40, 168)
    bent = random_warp(ramp, generator, rotate=0, shear=0, scale=0, shift=0, elastic=3.0)
    assert (bent.diff(dim=2)[:, 6:-6, 6:-6] > 0).all()  # what comes in at the edges is black


def test_the_generator_decides() -> None:
    strips = disc(4)
    first, again = (random_warp(strips, torch.Generator().manual_seed(1), 5.0, 0.1, 0.1, 2.0, 1.0) for _ in range(2))
    assert torch.equal(first, again)
