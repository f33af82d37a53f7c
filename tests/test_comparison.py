"""Comparisons of two results, by strip and by metric."""

from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitsum.analysis.comparison import compare_by_slice, compare_metrics, compare_predictions, flipped_strips
from digitsum.errors import InputError


def table(sums: list[int], right: list[bool]) -> pd.DataFrame:
    return pd.DataFrame(
        {"sum": sums, "predicted": [total + (not good) for total, good in zip(sums, right, strict=True)]}
    )


rights = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(rights)
def test_p_value_is_that_of_fair_coin_tosses(pairs: list[tuple[bool, bool]]) -> None:
    """A strip on which exactly one model is right is fixed or broken with equal chance; mid-p halves the ties."""
    was, now = (list(part) for part in zip(*pairs, strict=True))
    found = compare_predictions(table([7] * len(pairs), was), table([7] * len(pairs), now))
    assert (found.n, found.fixed) == (len(pairs), pairs.count((False, True)))
    assert found.after - found.before == pytest.approx((found.fixed - found.broken) / found.n)
    flips, fewer = found.fixed + found.broken, min(found.fixed, found.broken)
    as_uneven = (2 * sum(comb(flips, count) for count in range(fewer)) + comb(flips, fewer)) / 2**flips
    assert found.p_value == pytest.approx(as_uneven)
    assert found.design_effect == 1
    turned = compare_predictions(table([7] * len(pairs), now), table([7] * len(pairs), was))
    assert (turned.fixed, turned.broken, turned.p_value) == (found.broken, found.fixed, pytest.approx(found.p_value))
    fixed, broken = flipped_strips(table([7] * len(pairs), was), table([7] * len(pairs), now))
    assert (fixed.sum(), broken.sum()) == (found.fixed, found.broken)


def test_metrics_say_what_is_better_and_skip_the_ends_of_intervals() -> None:
    before = {"accuracy": 0.9, "accuracy_low": 0.89, "nll": 0.3, "mistakes": 40, "temperature": 1.0}
    after = {"accuracy": 0.91, "accuracy_low": 0.9, "nll": 0.4, "mistakes": 36, "temperature": 1.1, "other": 2.0}
    rows = {row.name: row for row in compare_metrics(before, after, {"accuracy": (0.9, 0.92)})}
    assert list(rows) == ["accuracy", "nll", "mistakes", "temperature", "other"]
    first = rows["accuracy"]
    assert (first.before, first.after, first.interval) == ("90.00%", "91.00%", "90.00% to 92.00%")
    assert [(row.change, row.verdict) for row in rows.values()] == [
        ("+1.00 points", "better"),
        ("+0.1000", "worse"),
        ("-4", "better"),
        ("+0.1000", ""),
        ("", ""),
    ]
    assert (rows["other"].label, rows["other"].before) == ("other", "")


def test_slices_that_partition_the_strips_add_up(rng: np.random.Generator) -> None:
    sums, was, now = rng.integers(0, 37, 200).tolist(), (rng.random(200) < 0.7).tolist(), [True] * 200
    part = rng.random(200) < 0.3
    slices = {"some": part, "others": ~part, "none": np.zeros(200, bool)}
    found = compare_by_slice(table(sums, was), table(sums, now), slices).set_index("slice")
    assert found.index.tolist() == ["some", "others"]
    assert found[["n", "fixed", "broken"]].sum().tolist() == [200, 200 - sum(was), 0]
    assert found.loc["some", "before"] == pytest.approx(np.array(was)[part].mean())


def test_predictions_of_different_strips_are_refused() -> None:
    for others in ([1, 2, 3], [1, 3]):
        with pytest.raises(InputError, match="only results on the same test data"):
            compare_predictions(table([1, 2], [True, True]), table(others, [True] * len(others)))
