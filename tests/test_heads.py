"""What holds for every head, and the reading of columns against enumeration."""

import itertools
from typing import get_args

import pytest
import torch

from digitsum.model.heads import HEADS, Columns
from digitsum.params.model import ModelParams

CHANNELS, ROWS, WIDTH = 6, 3, 5


def test_params_name_the_heads() -> None:
    assert set(get_args(ModelParams.model_fields["head"].annotation)) == set(HEADS)


@pytest.mark.parametrize("name", HEADS)
def test_head_does_what_it_declares(name: str) -> None:
    head = HEADS[name](CHANNELS, ROWS, WIDTH, digits=2)
    features = torch.randn(3, CHANNELS, ROWS, WIDTH)
    reading = head.read(features)
    assert (reading is not None) == head.reads_digits
    assert (reading is not None and reading.columns is not None) == head.reads_places
    if head.any_width:
        wider = torch.randn(3, CHANNELS, ROWS, 2 * WIDTH)
        assert head.log_sum(wider, 5).shape == (3, 46)
        assert head.log_count(wider, 10).shape == (3, 11)
        torch.testing.assert_close(head.log_sum(features, 2), head(features))
    else:
        with pytest.raises(NotImplementedError):
            head.log_sum(features, 2)
        with pytest.raises(NotImplementedError):
            head.log_count(features, 2)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("digits", [1, 2, 4])
def test_distribution_over_all_sums(name: str, digits: int) -> None:
    torch.manual_seed(0)
    head = HEADS[name](CHANNELS, ROWS, WIDTH, digits)
    probability = head(torch.randn(7, CHANNELS, ROWS, WIDTH)).exp()
    assert probability.shape == (7, 9 * digits + 1)
    assert (probability >= 0).all()
    assert (probability.sum(1) <= 1 + 1e-5).all()


@pytest.mark.parametrize("name", HEADS)
def test_learns_a_sum_by_its_likelihood(name: str) -> None:
    torch.manual_seed(0)
    head = HEADS[name](CHANNELS, ROWS, WIDTH, 2)
    features, sums = torch.randn(4, CHANNELS, ROWS, WIDTH), torch.tensor([0, 5, 11, 18])
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(300):
        loss = torch.nn.functional.nll_loss(head(features), sums)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3
    assert head(features).argmax(1).tolist() == sums.tolist()


def test_reading_is_the_likeliest_filling_with_k_digits() -> None:
    torch.manual_seed(1)
    head = Columns(CHANNELS, ROWS, WIDTH, digits=2)
    features = 30 * torch.randn(6, CHANNELS, ROWS, WIDTH)
    reading = head.read(features)
    beliefs = head.log_beliefs(features)
    fillings = [filling for filling in itertools.product(range(11), repeat=WIDTH) if filling.count(10) == WIDTH - 2]
    for strip in range(6):
        best = max(fillings, key=lambda filling: sum(beliefs[strip, range(WIDTH), filling]).item())
        assert reading.columns[strip].tolist() == [column for column in range(WIDTH) if best[column] != 10]
        assert reading.digits[strip].tolist() == [digit for digit in best if digit != 10]


@pytest.mark.parametrize("name", ["columns", "slots"])
def test_reading_of_a_sum_is_the_likeliest_filling_that_adds_up_to_it(name: str) -> None:
    torch.manual_seed(2)
    head = HEADS[name](CHANNELS, ROWS, WIDTH - 1, 3)
    features, sums = 30 * torch.randn(6, CHANNELS, ROWS, WIDTH - 1), torch.tensor([0, 5, 13, 20, 26, 27])
    reading = head.read(features, sums)
    beliefs = head.log_beliefs(features)
    blanks = 1 if name == "columns" else 0
    fillings = [each for each in itertools.product(range(10 + blanks), repeat=3 + blanks) if each.count(10) == blanks]
    chances = sum(beliefs[:, place, [each[place] for each in fillings]] for place in range(3 + blanks))
    totals = torch.tensor([sum(digit for digit in each if digit < 10) for each in fillings])
    for strip, total in enumerate(sums):
        best = fillings[chances[strip].where(totals == total, -torch.inf).argmax()]
        assert reading.digits[strip].tolist() == [digit for digit in best if digit < 10]
        if reading.columns is not None:
            assert reading.columns[strip].tolist() == [place for place, digit in enumerate(best) if digit < 10]
    free = head.read(features)
    again = head.read(features, free.digits.sum(1))
    assert torch.equal(again.digits, free.digits)


@pytest.mark.parametrize(("width", "digits"), [(21, 4), (84, 8), (5, 1)])
def test_about_k_columns_fire_at_first(width: int, digits: int) -> None:
    torch.manual_seed(0)
    head = Columns(64, ROWS, width, digits)
    fires = 1 - head.log_beliefs(torch.randn(50, 64, ROWS, width))[..., 10].exp()
    assert fires.sum(1).mean().item() == pytest.approx(digits, rel=0.1)
