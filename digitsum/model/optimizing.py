"""What moves the weights, how fast, and how they are averaged."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from digitsum.model.muon import Muon
from digitsum.model.network import SumModel
from digitsum.model.params import TrainParams


def one_cycle(step: int, steps: int, warmup: float, last: float) -> float:
    """The learning rate's share of its peak: a rise over a share `warmup` of the steps, half a cosine to `last`."""
    rise = math.ceil(warmup * steps)
    if step < rise:
        return (step + 1) / rise
    fall = 0.5 + 0.5 * math.cos(math.pi * (step - rise + 1) / (steps - rise + 1))
    return last + (1 - last) * fall


def optimizers(model: SumModel, recipe: TrainParams) -> list[torch.optim.Optimizer]:
    """Muon for the backbone's convolutions, AdamW for all else; only weights that multiply decay."""
    convolutions = [weight for weight in model.backbone.parameters() if weight.ndim == 4]
    others = [weight for weight in model.parameters() if all(weight is not other for other in convolutions)]
    groups = [
        {"params": [weight for weight in others if weight.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [weight for weight in others if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    return [
        Muon(convolutions, lr=recipe.learning_rate, weight_decay=recipe.weight_decay),
        torch.optim.AdamW(groups, lr=recipe.other_learning_rate, betas=(0.9, 0.99), fused=True),
    ]


def warmed_up_average(decay: float, steps: Callable[[], int]) -> Callable[[Any, Any, Tensor | int], None]:
    """Exponential, but over no more than the `steps` there were: the initial weights are forgotten at once."""

    def average(means: Any, news: Any, _: Tensor | int) -> None:  # the count is on the device, which should not wait
        share = 1 - min(decay, (1 + steps()) / (10 + steps()))
        if means[0].is_floating_point():
            torch._foreach_lerp_(means, news, share)
        else:  # counters
            torch._foreach_copy_(means, news)

    return average
