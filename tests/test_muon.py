"""Steps are orthogonal, whatever the shape of the weight."""

import pytest
import torch
from torch import nn

from digitsum.model.muon import Muon, orthogonal
from digitsum.model.optimizers import set_learning_rate


@pytest.mark.parametrize("shape", [(16, 25), (64, 64), (64, 32), (8, 200)])
def test_singular_values_come_near_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    values = torch.logspace(-2, 0, min(shape))
    found = orthogonal(u @ torch.diag(values) @ v)
    core = u.T @ found @ v.T
    assert (torch.linalg.svdvals(found) < 1.35).all()
    assert (torch.linalg.svdvals(found)[values.flip(0) > 0.1] > 0.6).all()
    torch.testing.assert_close(core, torch.diag(torch.diagonal(core)), rtol=0, atol=1e-3)


def test_step_is_as_long_as_the_rate_says_and_does_not_see_the_gradients_size() -> None:
    moves = []
    for size in (1e-3, 1e3):
        torch.manual_seed(0)
        weight = nn.Parameter(torch.zeros(32, 16, 3, 3).to(memory_format=torch.channels_last))
        weight.grad = size * torch.randn_like(weight)
        Muon([weight], lr=torch.tensor(0.1)).step()
        moves.append(weight.detach().clone())
    torch.testing.assert_close(moves[0], moves[1], rtol=1e-3, atol=1e-5)
    assert torch.linalg.svdvals(moves[0].flatten(1)).mean().item() == pytest.approx(0.1, rel=0.3)


def test_finds_the_minimum_of_a_quadratic() -> None:
    torch.manual_seed(0)
    goal = torch.randn(8, 4, 3, 3)
    weight = nn.Parameter(torch.zeros_like(goal))
    optimizer = Muon([weight], lr=torch.tensor(0.3))
    for step in range(300):
        set_learning_rate(optimizer, 0.3 * (1 - step / 300))
        weight.grad = weight.detach() - goal
        optimizer.step()
    torch.testing.assert_close(weight.detach(), goal, rtol=0, atol=0.02)
