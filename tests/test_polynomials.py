"""The generating functions against enumeration of everything that the columns can hold."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from digitsum.model.polynomials import FLOOR, log_count_of_columns, log_sum_of_columns, log_sum_of_set, log_sum_of_slots

BLANK = 10


def beliefs(seed: int, columns: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Random log-probabilities of ten digits and blank, for two strips."""
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(2, columns, 11, dtype=dtype, generator=generator)).log_softmax(-1)


def distribution(log_beliefs: Tensor, digits: int) -> Tensor:
    return log_sum_of_columns(log_beliefs[..., BLANK], log_beliefs[..., :BLANK], digits).exp()


def enumerated(log_beliefs: Tensor, digits: int) -> Tensor:
    """P(sum = s and exactly k digits), by going through all 11^t ways to fill the columns."""
    columns = log_beliefs.shape[1]
    result = torch.zeros(2, 9 * digits + 1, dtype=log_beliefs.dtype)
    for filling in itertools.product(range(11), repeat=columns):
        held = [content for content in filling if content != BLANK]
        if len(held) == digits:
            chance = sum(log_beliefs[:, column, content] for column, content in enumerate(filling))
            result[:, sum(held)] += torch.as_tensor(chance).exp()
    return result


@pytest.mark.parametrize(("columns", "digits"), [(1, 1), (2, 1), (3, 3), (4, 2), (5, 4)])
def test_columns_against_enumeration(columns: int, digits: int) -> None:
    log_beliefs = beliefs(columns, columns)
    expected = enumerated(log_beliefs, digits).clamp_min(FLOOR)
    torch.testing.assert_close(distribution(log_beliefs, digits), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("columns", [1, 2, 5, 21])
def test_same_bits_whether_a_gradient_is_wanted_or_not(columns: int) -> None:
    """Without one, only the last two products are kept."""
    log_beliefs = beliefs(columns, columns, torch.float32)
    digits = min(columns, 4)
    wanted = distribution(log_beliefs.clone().requires_grad_(), digits)
    assert wanted.requires_grad
    assert torch.equal(distribution(log_beliefs, digits), wanted.detach())


@pytest.mark.parametrize(("columns", "highest"), [(1, 1), (4, 4), (5, 3), (6, 9)])
def test_counts_against_enumeration(columns: int, highest: int) -> None:
    log_blank = beliefs(columns, columns)[..., BLANK]
    blank = log_blank.exp()
    expected = torch.zeros(2, highest + 1, dtype=torch.float64)
    for fires in itertools.product((False, True), repeat=columns):
        chance = torch.stack([1 - blank[:, t] if fire else blank[:, t] for t, fire in enumerate(fires)]).prod(0)
        if sum(fires) <= highest:
            expected[:, sum(fires)] += chance
    torch.testing.assert_close(
        log_count_of_columns(log_blank, highest).exp(), expected.clamp_min(FLOOR), rtol=1e-9, atol=0
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 8), st.integers(0, 22))
def test_columns_give_the_poisson_binomial_count_and_the_mean_sum(seed: int, digits: int, more: int) -> None:
    """Summed over sums, what is left is P(count = k), which a recursion over columns gives too."""
    log_beliefs = beliefs(seed, digits + more)
    fires = 1 - log_beliefs[..., BLANK].exp()
    count = torch.zeros(2, digits + more + 1, dtype=torch.float64)
    count[:, 0] = 1
    for column in range(digits + more):
        fire = fires[:, column, None]
        count = count * (1 - fire) + fire * count.roll(1, dims=1)
    found = distribution(log_beliefs, digits).sum(1)
    torch.testing.assert_close(found, count[:, digits], rtol=0, atol=(9 * digits + 1) * FLOOR)


def test_gradient_against_finite_differences() -> None:
    scores = beliefs(1, 6).clone().requires_grad_()

    def log_probability(scores: Tensor) -> Tensor:
        log_beliefs = scores.log_softmax(-1)
        return log_sum_of_columns(log_beliefs[..., BLANK], log_beliefs[..., :BLANK], 3)[:, 5:22]

    assert torch.autograd.gradcheck(log_probability, (scores,))


def test_float32_is_exact_to_the_floor() -> None:
    log_beliefs = beliefs(2, 21)
    exact, single = distribution(log_beliefs, 4), distribution(log_beliefs.float(), 4)
    torch.testing.assert_close(single.double(), exact, rtol=1e-4, atol=20 * FLOOR)


def test_sure_columns_give_a_sure_sum() -> None:
    log_beliefs = torch.full((2, 21, 11), -40.0)
    log_beliefs[..., BLANK] = 0
    for column, digit in ((2, 9), (7, 0), (11, 4), (20, 9)):
        log_beliefs[:, column, BLANK], log_beliefs[:, column, digit] = -40.0, 0
    torch.testing.assert_close(distribution(log_beliefs, 4)[:, 22], torch.ones(2))


@pytest.mark.parametrize("digits", [1, 2, 4])
def test_slots_against_enumeration(digits: int) -> None:
    log_digits = beliefs(digits, digits)[..., :BLANK].log_softmax(-1)
    expected = torch.zeros(2, 9 * digits + 1, dtype=torch.float64)
    for reading in itertools.product(range(10), repeat=digits):
        chance = sum(log_digits[:, slot, digit] for slot, digit in enumerate(reading))
        expected[:, sum(reading)] += torch.as_tensor(chance).exp()
    found = log_sum_of_slots(log_digits).exp()
    torch.testing.assert_close(found, expected.clamp_min(FLOOR), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.sum(1), torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-6)


@pytest.mark.parametrize("highest", [9, 36, 45])
def test_set_against_enumeration(highest: int) -> None:
    scores = 2 * torch.randn(2, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(highest))
    present, absent = torch.nn.functional.logsigmoid(scores), torch.nn.functional.logsigmoid(-scores)
    expected = torch.zeros(2, highest + 1, dtype=torch.float64)
    for there in itertools.product([False, True], repeat=10):
        total = sum(digit for digit in range(10) if there[digit])
        if total <= highest:
            expected[:, total] += torch.where(torch.tensor(there), present, absent).sum(1).exp()
    torch.testing.assert_close(
        log_sum_of_set(present, absent, highest).exp(), expected.clamp_min(FLOOR), rtol=1e-9, atol=1e-12
    )


def test_set_cannot_hold_a_digit_twice() -> None:
    """Sure of every digit that is there, it can give 9 + 9 only as a sum of different digits."""
    nine_alone = torch.full((1, 10), -30.0)
    nine_alone[0, 9] = 0
    present = torch.nn.functional.logsigmoid(10 * nine_alone + 5)
    absent = torch.nn.functional.logsigmoid(-10 * nine_alone - 5)
    assert log_sum_of_set(present, absent, 36).argmax().item() == 9
