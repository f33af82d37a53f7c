"""The optimizers, the learning-rate schedule and the averaged weights."""

import copy
import math

import torch

from digitsum.model.architecture import SumModel
from digitsum.model.muon import Muon
from digitsum.params.train import TrainParams

# AdamW's decay rates of the gradients' mean and of their squares. The second is usually 0.999, which forgets over 1,000
# steps; the default trains for about as many.
BETAS = (0.9, 0.99)


def one_cycle(step: int, steps: int, warmup: float, last: float) -> float:
    """The learning rate as a share of its peak: linear over a share `warmup` of the steps, then a cosine to `last`.

    Smith and Topin, Super-Convergence, 2018, where the fall is linear.
    """
    rise = math.ceil(warmup * steps)
    if step < rise:
        return (step + 1) / rise
    fall = 0.5 + 0.5 * math.cos(math.pi * (step - rise + 1) / (steps - rise + 1))
    return last + (1 - last) * fall


def optimizers(model: SumModel, recipe: TrainParams) -> list[torch.optim.Optimizer]:
    """Muon for the backbone's convolutions, AdamW for all other weights; biases and scales do not decay.

    Their learning rates are tensors that `set_learning_rate` fills.
    """
    convolutions = [weight for weight in model.backbone.parameters() if weight.ndim == 4]
    others = [weight for weight in model.parameters() if all(weight is not other for other in convolutions)]
    groups = [
        {"params": [weight for weight in others if weight.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [weight for weight in others if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    device = convolutions[0].device
    # in double precision on the CPU, the only device that takes it
    rate = torch.zeros((), device=device, dtype=torch.float64 if device.type == "cpu" else torch.float32)
    return [
        Muon(convolutions, lr=rate.clone(), weight_decay=recipe.weight_decay),
        torch.optim.AdamW(groups, lr=rate, betas=BETAS, fused=True, capturable=device.type == "cuda"),
    ]


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Without waiting for the device."""
    for group in optimizer.param_groups:
        group["lr"].fill_(rate)


def average_decay(step: int, decay: float) -> float:
    """The decay after step number `step`, from 0: nothing of the initial weights, then ever more, up to `decay`.

    The warm-up is that of TensorFlow's ExponentialMovingAverage(num_updates=step).
    """
    return min(decay, (1 + step) / (10 + step)) if step else 0.0


class WeightAverage:
    """An exponential moving average of a model's weights and buffers.

    torch.optim.swa_utils.AveragedModel does the same, but waits for the device at every step.
    """

    def __init__(self, model: SumModel, decay: float):
        self.model, self.decay = copy.deepcopy(model), decay

    @torch.no_grad()
    def update(self, model: SumModel, step: int) -> None:
        """Average in the weights after step number `step`, from 0."""
        share = 1 - average_decay(step, self.decay)
        ours, theirs = ([*each.parameters(), *each.buffers()] for each in (self.model, model))
        numbers = [number for number, tensor in enumerate(ours) if tensor.is_floating_point()]
        counters = [number for number, tensor in enumerate(ours) if not tensor.is_floating_point()]
        torch._foreach_lerp_([ours[number] for number in numbers], [theirs[number] for number in numbers], share)
        torch._foreach_copy_([ours[number] for number in counters], [theirs[number] for number in counters])
