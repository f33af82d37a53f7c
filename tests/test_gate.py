"""The gate: a challenger passes if it is significantly better, and no check fails."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from digitsum.analysis.predictions import NUMBERS
from digitsum.analysis.slices import AS_READ, slices
from digitsum.errors import InputError
from digitsum.judging.gate import in_tails, judge
from digitsum.params.gate import GateParams

GATE = GateParams(
    min_strips=100,
    alpha=0.05,
    seed_sd=0.0,
    min_improvement=0.01,
    max_calibration_error=0.2,
    min_macro_recall=0.5,
    tail=0.05,
    min_tail_accuracy=0.5,
    max_latency=100.0,
    max_broken_slices=0,
)
STRIPS = 400


def table(right: np.ndarray) -> pd.DataFrame:
    """Predictions for strips with the sums 0 to 9 in turn, right where `right` is, and calibrated."""
    sums = np.arange(len(right)) % 10
    predicted = np.where(right, sums, (sums + 1) % 10)
    columns = {"sum": sums, "predicted": predicted, "probability": np.full(len(right), max(right.mean(), 0.01))}
    unknown = dict.fromkeys(NUMBERS, "")
    return pd.DataFrame(columns | unknown)


@pytest.fixture
def images() -> np.ndarray:
    images = np.zeros((STRIPS, 40, 56), np.uint8)
    images[:, 10:20, 20:30] = 255
    return images


def share(rng: np.random.Generator, accuracy: float) -> np.ndarray:
    right = np.zeros(STRIPS, bool)
    right[: round(accuracy * STRIPS)] = True
    return rng.permutation(right)


def failed(verdict: object) -> list[str]:
    return [check.name for check in verdict.checks if not check.holds]


def test_better_passes_and_worse_does_not(rng: np.random.Generator, images: np.ndarray) -> None:
    good, bad = table(share(rng, 0.95)), table(share(rng, 0.8))
    assert judge(good, bad, images, 1, 5.0, GATE).passes
    verdict = judge(bad, good, images, 1, 5.0, GATE)
    assert not verdict.passes
    assert {"improvement", "one-sided p over strips and seeds"} <= set(failed(verdict))
    assert "fails on improvement -15.00 points (at least +1.00)" in str(verdict)


def test_the_same_predictions_are_no_improvement(rng: np.random.Generator, images: np.ndarray) -> None:
    same = table(share(rng, 0.9))
    assert failed(judge(same, same, images, 1, 5.0, GATE)) == ["improvement", "one-sided p over strips and seeds"]


def test_an_improvement_that_may_be_chance_does_not_pass(rng: np.random.Generator, images: np.ndarray) -> None:
    before = share(rng, 0.9)
    after = before.copy()
    gate = GATE.model_copy(update={"min_improvement": 0.005})
    after[np.flatnonzero(~before)[:3]] = True  # three coins all show heads once in 8 times; mid-p halves that
    assert failed(judge(table(after), table(before), images, 1, 5.0, gate)) == ["one-sided p over strips and seeds"]
    after[np.flatnonzero(~before)[:4]] = True  # four coins, once in 16 times
    assert judge(table(after), table(before), images, 1, 5.0, gate).passes
    wide = gate.model_copy(update={"seed_sd": 0.01})
    assert failed(judge(table(after), table(before), images, 1, 5.0, wide)) == ["one-sided p over strips and seeds"]


def test_other_seeds_make_it_a_comparison_of_recipes(rng: np.random.Generator, images: np.ndarray) -> None:
    """One lucky seed is not enough if its recipe's other seeds are no better; a recipe that always is better passes."""
    lucky, plain = table(share(rng, 0.95)), table(share(rng, 0.85))
    assert judge(lucky, plain, images, 1, 5.0, GATE).passes
    others = [table(share(rng, 0.85)) for _ in range(2)]
    unlucky = judge(lucky, plain, images, 1, 5.0, GATE, (others, others))
    assert "one-sided p over strips and seeds" in failed(unlucky)
    assert "Over 3 and 3 seeds, the recipes have 85.00% and 88.33%" in str(unlucky)
    same_recipe = judge(lucky, plain, images, 1, 5.0, GATE, ([plain], [lucky]))
    assert "improvement" in failed(same_recipe), "each is another seed of the other's recipe"
    better = [table(share(rng, 0.95)) for _ in range(2)]
    assert judge(lucky, plain, images, 1, 5.0, GATE, (better, others)).passes


def test_one_broken_slice_is_enough(images: np.ndarray) -> None:
    sums = np.arange(STRIPS) % 10
    before = np.where(sums == 9, True, sums > 2)
    after = sums != 9
    gate = GATE.model_copy(update={"min_tail_accuracy": 0.0})
    verdict = judge(table(after), table(before), images, 1, 5.0, gate)
    assert failed(verdict) == ["newly broken slices"]
    assert "significantly better on sum" in str(verdict)
    assert judge(table(after), table(before), images, 1, 5.0, gate.model_copy(update={"max_broken_slices": 9})).passes


def test_a_few_broken_strips_among_many_slices_may_be_chance(images: np.ndarray) -> None:
    """Six coins that all show tails are not significant among so many slices, however many strips are fixed."""
    sums = np.arange(STRIPS) % 10
    before = sums >= 8
    after = ~before
    after[np.flatnonzero(before)[6:]] = True
    assert judge(table(after), table(before), images, 1, 5.0, GATE).broken_slices == ()


def test_slices_by_the_challengers_reading_do_not_judge_it(images: np.ndarray) -> None:
    """Where the truth is unknown: the challenger reads one digit on all strips that it breaks."""
    before, after = np.ones(STRIPS, bool), np.ones(STRIPS, bool)
    before[:100], after[100:140] = False, False
    challenger = table(after)
    challenger["read"] = np.where(after, "5", "1")
    assert slices(images, challenger, 1)[f"contains 1{AS_READ}"].sum() == 40
    assert judge(challenger, table(before), images, 1, 5.0, GATE).broken_slices == ()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"max_calibration_error": 1e-9}, "calibration error"),
        ({"min_macro_recall": 0.99}, "macro recall"),
        ({"min_tail_accuracy": 1.0}, "accuracy on tail sums"),
        ({"max_latency": 1.0}, "latency of one strip"),
    ],
)
def test_each_floor_alone_refuses_a_first_model(
    rng: np.random.Generator, images: np.ndarray, change: dict, name: str
) -> None:
    model = table(share(rng, 0.9))
    assert judge(model, None, images, 1, 5.0, GATE).passes
    assert failed(judge(model, None, images, 1, 5.0, GATE.model_copy(update=change))) == [name]


def test_too_few_strips_are_an_error(images: np.ndarray) -> None:
    few = table(np.ones(99, bool))
    with pytest.raises(InputError, match="99 test strips are too few to decide"):
        judge(few, few, images[:99], 1, 5.0, GATE)


@examples(st.lists(st.integers(0, 36), min_size=1, max_size=200), st.floats(0.01, 0.49))
def test_tails_are_whole_sums_with_at_least_the_share_at_each_end(sums: list[int], share: float) -> None:
    values = np.array(sums)
    tails = in_tails(values, share)
    inside = values[~tails]
    for end in (values[tails] <= np.median(values), values[tails] >= np.median(values)):
        assert end.sum() >= share * len(values) - 1e-9
    if len(inside):
        assert not np.isin(values[tails], inside).any()
        assert not ((values[tails] > inside.min()) & (values[tails] < inside.max())).any()
