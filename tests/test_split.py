"""Parts do not share what they must not share, and are alike in what they should be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitsum.strips.compose import Layout
from digitsum.strips.dataset import Strips
from digitsum.strips.glyphs import SIDE, Glyphs
from digitsum.strips.split import PARTS, duplicates, split, split_by_pixels
from stages.preprocess import compose_parts, divide_strips

FRACTIONS = st.floats(0.05, 0.4)


def disjoint(sets: list[set]) -> bool:
    return len(set.union(*sets)) == sum(map(len, sets))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 36), min_size=20, max_size=400), FRACTIONS, FRACTIONS)
def test_every_member_is_in_one_part_and_classes_give_their_share(
    seed: int, classes: list[int], val: float, test: float
) -> None:
    members = split(np.array(classes), val, test, np.random.default_rng(seed))
    assert sorted(np.concatenate([members[part] for part in PARTS])) == list(range(len(classes)))
    for part, share in (("val", val), ("test", test)):
        assert abs(len(members[part]) - share * len(classes)) <= 1 + 1e-9
    for label in set(classes):
        there = classes.count(label)
        in_test = (np.array(classes)[members["test"]] == label).sum()
        assert abs(in_test - test * there) <= 1 + 1e-9


def test_reserved_members_are_the_test_part(rng: np.random.Generator) -> None:
    reserved = np.arange(100) >= 80
    members = split(rng.integers(0, 10, 100), 0.2, 0.4, rng, reserved)
    assert members["test"].tolist() == list(range(80, 100))
    assert len(members["val"]) == 20
    assert len(members["train"]) == 60


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**30), st.integers(1, 200), st.integers(0, 200))
def test_strips_keep_their_part_when_others_come(seed: int, before: int, more: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (before + more, 2, 3), dtype=np.uint8)
    first, later = (split_by_pixels(some, 0.2, 0.3, seed) for some in (images[:before], images))
    assert sorted(np.concatenate([later[part] for part in PARTS])) == list(range(before + more))
    for part in PARTS:
        assert later[part][later[part] < before].tolist() == first[part].tolist()


@pytest.mark.parametrize("seed", [0, 1])
def test_parts_by_pixels_have_their_shares(rng: np.random.Generator, seed: int) -> None:
    members = split_by_pixels(rng.integers(0, 256, (10_000, 2, 3), dtype=np.uint8), 0.1, 0.15, seed)
    for part, share in (("val", 0.1), ("test", 0.15)):
        assert abs(len(members[part]) - 10_000 * share) < 5 * np.sqrt(10_000 * share)


def test_no_glyph_on_both_sides() -> None:
    """Each glyph has a gray value of its own, so strips show their glyphs; the truth has the numbers of the source."""
    count = 200
    images = np.broadcast_to(np.arange(1, count + 1, dtype=np.uint8)[:, None, None], (count, SIDE, SIDE)).copy()
    glyphs = Glyphs(images, (np.arange(count) % 10).astype(np.uint8), np.zeros(count, bool))
    apart = Layout(4, 40, 168, first_left=(0, 14), next_left=(28, 42), top=(0, 12))
    parts, truths = compose_parts(glyphs, apart, {"train": 300, "val": 100, "test": 100}, (0.15, 0.15), seed=3)
    used = [set(np.unique(parts[part].images)) - {0} for part in PARTS]
    assert all(len(values) > 20 for values in used)
    assert disjoint(used)
    for part, values in zip(PARTS, used, strict=True):
        assert set((1 + np.unique(truths[part].glyphs)).tolist()) == values


def test_no_strip_on_both_sides(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (40, 4, 6), dtype=np.uint8)[rng.integers(0, 40, 300)]
    strips = Strips(images, rng.integers(0, 37, 300))
    parts = divide_strips(strips, (0.15, 0.15), seed=1)
    seen = [{image.tobytes() for image in parts[part].images} for part in PARTS]
    assert disjoint(seen)
    assert sum(len(parts[part]) for part in PARTS) == 300


def test_duplicates_are_found_by_pixels(rng: np.random.Generator) -> None:
    images = rng.integers(0, 2, (300, 1, 3), dtype=np.uint8)
    numbers = duplicates(images)
    same = (images[:, None] == images[None]).all(axis=(2, 3))
    assert ((numbers[:, None] == numbers[None]) == same).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_seed_decides(seed: int) -> None:
    classes = np.arange(500) % 10
    first, again, other = (split(classes, 0.1, 0.1, np.random.default_rng(s))["val"] for s in (seed, seed, seed + 1))
    assert (first == again).all()
    assert not np.array_equal(first, other)
