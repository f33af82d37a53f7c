"""What moves the weights, how fast, and how they are averaged."""

import copy
import math

import torch

from digitsum.model.architecture import SumModel
from digitsum.model.muon import Muon
from digitsum.params.train import TrainParams


def one_cycle(step: int, steps: int, warmup: float, last: float) -> float:
    """The learning rate's share of its peak: a rise over a share `warmup` of the steps, half a cosine to `last`."""
    rise = math.ceil(warmup * steps)
    if step < rise:
        return (step + 1) / rise
    fall = 0.5 + 0.5 * math.cos(math.pi * (step - rise + 1) / (steps - rise + 1))
    return last + (1 - last) * fall


def optimizers(model: SumModel, recipe: TrainParams) -> list[torch.optim.Optimizer]:
    """Muon for the backbone's convolutions, AdamW for all else; only weights that multiply decay.

    Rates are tensors that `set_rates` fills.
    """
    convolutions = [weight for weight in model.backbone.parameters() if weight.ndim == 4]
    others = [weight for weight in model.parameters() if all(weight is not other for other in convolutions)]
    groups = [
        {"params": [weight for weight in others if weight.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [weight for weight in others if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    device = convolutions[0].device
    # only the CPU takes a rate in double precision
    rate = torch.zeros((), device=device, dtype=torch.float64 if device.type == "cpu" else torch.float32)
    return [
        Muon(convolutions, lr=rate.clone(), weight_decay=recipe.weight_decay),
        torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), fused=True, capturable=device.type == "cuda"),
    ]


def set_rates(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Without waiting for the device."""
    for group in optimizer.param_groups:
        group["lr"].fill_(rate)


class Average:
    """An exponential one of a model's weights and buffers, but over no more than the steps there were: the initial
    weights are forgotten at once. torch's AveragedModel waits for the device at every step.
    """

    def __init__(self, model: SumModel, decay: float):
        self.model, self.decay = copy.deepcopy(model), decay

    @torch.no_grad()
    def update(self, model: SumModel, step: int) -> None:
        """With the weights after step number `step`, from 0."""
        share = 1 - min(self.decay, (1 + step) / (10 + step)) if step else 1.0
        ours, theirs = ([*of.parameters(), *of.buffers()] for of in (self.model, model))
        numbers = [number for number, tensor in enumerate(ours) if tensor.is_floating_point()]
        counters = [number for number, tensor in enumerate(ours) if not tensor.is_floating_point()]
        torch._foreach_lerp_([ours[number] for number in numbers], [theirs[number] for number in numbers], share)
        torch._foreach_copy_([ours[number] for number in counters], [theirs[number] for number in counters])
