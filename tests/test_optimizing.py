"""Averages are those of their definition, and rates are set where optimizers read them."""

import numpy as np
import pytest
import torch

from digitsum.model.architecture import SumModel
from digitsum.model.optimizers import WeightAverage, optimizers, set_learning_rate
from digitsum.params.model import ModelParams
from digitsum.params.train import TrainParams
from digitsum.strips.dataset import Description


def test_average_is_exponential_after_it_forgot_the_initial_weights(
    tiny_model_params: ModelParams, description: Description, rng: np.random.Generator
) -> None:
    model = SumModel(tiny_model_params, description)
    average = WeightAverage(model, decay=0.7)
    weight, counter = next(model.parameters()), next(b for b in model.buffers() if not b.is_floating_point())
    wanted = np.zeros(weight.shape)
    for step in range(30):
        new = rng.standard_normal(weight.shape).astype(np.float32)
        with torch.no_grad():
            weight.copy_(torch.from_numpy(new))
            counter.fill_(step)
        average.update(model, step)
        decay = min(0.7, (1 + step) / (10 + step)) if step else 0
        wanted = decay * wanted + (1 - decay) * new
    np.testing.assert_allclose(next(average.model.parameters()).detach().numpy(), wanted, atol=1e-5)
    assert next(b for b in average.model.buffers() if not b.is_floating_point()).item() == 29
    assert weight.grad is None


def test_weights_move_by_the_rate_that_is_set(
    tiny_model_params: ModelParams, description: Description, recipe: TrainParams
) -> None:
    """And none at a rate of zero, which is that of new optimizers."""
    model = SumModel(tiny_model_params, description)
    before = [weight.detach().clone() for weight in model.parameters()]
    ours = optimizers(model, recipe.model_copy(update={"weight_decay": 0.0}))
    for rate in (0.0, 0.01):
        for optimizer in ours:
            if rate:
                set_learning_rate(optimizer, rate)
            for group in optimizer.param_groups:
                for weight in group["params"]:
                    weight.grad = torch.ones_like(weight)
            optimizer.step()
        moved = [(weight - old).abs().mean().item() for weight, old in zip(model.parameters(), before, strict=True)]
        assert all((move > 0) == (rate > 0) for move in moved)
    others = [weight for weight in model.parameters() if weight.ndim == 1]
    for weight, old in zip(others, [old for old in before if old.ndim == 1], strict=True):
        # Adam's steps are as long as the rate, whatever the gradients
        assert (old - weight).mean().item() == pytest.approx(0.01, rel=0.01)
