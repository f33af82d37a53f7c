"""The confusion matrix of sums, and what follows from it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from digitsum.analysis import matrix as counts

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=200)


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_confusion_adds_up(pairs: list[tuple[int, int]]) -> None:
    sums, predicted = np.array(pairs).T
    matrix = counts.confusion_matrix(sums, predicted, 9)
    assert (matrix == sk.confusion_matrix(sums, predicted, labels=range(10))).all()
    figures = counts.mistakes(sums, predicted)
    assert figures["mistakes"] == (sums != predicted).sum()
    assert figures["mistake_size"] * figures["mistakes"] == pytest.approx(np.abs(sums - predicted).sum())
    errors = counts.signed_errors(sums, predicted)
    assert errors["strips"].sum() == len(pairs) - matrix.trace()
    assert (errors["error"] * errors["strips"]).sum() == (predicted - sums).sum()
    taken = counts.pairs(matrix)
    assert taken["strips"].sum() == len(pairs) - matrix.trace()
    assert taken["strips"].is_monotonic_decreasing


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_metrics_of_each_sum_equal_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    sums, predicted = np.array(pairs).T
    found = counts.per_sum(sums, predicted, [range(label, label + 1) for label in range(10)])
    expected = sk.precision_recall_fscore_support(sums, predicted, labels=range(10), zero_division=np.nan)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        np.testing.assert_allclose(found[name], values, atol=1e-6)
        if name != "support":
            some = found[name].notna()
            assert (found[f"{name}_low"] <= found[name])[some].all()
            assert (found[name] <= found[f"{name}_high"])[some].all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=37))
def test_pools_contain_every_sum_and_enough_strips(support: list[int]) -> None:
    groups = counts.pooled(np.array(support))
    assert [label for group in groups for label in group] == list(range(len(support)))
    if sum(support) >= counts.FEW:
        assert min(sum(support[label] for label in group) for group in groups) >= counts.FEW
    else:
        assert len(groups) == 1


def test_a_pool_counts_a_strip_as_right_only_for_its_own_sum() -> None:
    matrix = np.array([[1, 1, 0], [0, 0, 2], [0, 0, 6]])
    sums, predicted = np.repeat(np.argwhere(matrix), matrix[matrix > 0], axis=0).T
    first, last = counts.per_sum(sums, predicted, [range(2), range(2, 3)]).to_dict("records")
    assert (first["support"], first["recall"], first["precision"]) == (4, 0.25, 0.5)
    assert (last["support"], last["recall"], last["precision"]) == (6, 1.0, 0.75)
