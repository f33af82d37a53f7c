"""Training on sum labels alone: Muon, a one-cycle learning rate, and an average of the weights."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from digitsum.errors import InputError
from digitsum.model.muon import Muon
from digitsum.model.network import SumModel
from digitsum.model.params import TrainParams
from digitsum.progress import Progress
from digitsum.strips.augment import random_affine
from digitsum.strips.dataset import Strips


@dataclass(frozen=True)
class Epoch:
    """One row of the learning curve. Training figures are means over the epoch; validation is of the averaged model."""

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float


def fit(
    model: SumModel,
    train: Strips,
    val: Strips,
    recipe: TrainParams,
    device: torch.device,
    report: Callable[[Epoch, float], None],
) -> SumModel:
    """Trains `model` in place and returns the average of its weights.

    `report` is called after every epoch with its row of the learning curve and the strips trained on per second.

    Raises:
        InputError: if a batch is larger than the data, or the loss is no longer finite.
    """
    if recipe.batch_size > len(train):
        raise InputError(
            f"params.yaml: `train.batch_size` is {recipe.batch_size}, but there are only {len(train)} training strips"
        )
    images, sums = (torch.from_numpy(np.array(array)).to(device) for array in (train.images, train.sums))
    steps = len(train) // recipe.batch_size
    model.to(device)
    optimizers = _optimizers(model, recipe)
    rate = partial(one_cycle, steps=steps * recipe.epochs, warmup=recipe.warmup)
    schedules = [LambdaLR(optimizer, rate) for optimizer in optimizers]
    average = AveragedModel(model, avg_fn=_warmed_up_average(recipe.average_decay), use_buffers=True)
    averaged = cast(SumModel, average.module)
    order = torch.Generator().manual_seed(recipe.seed)
    chance = torch.Generator(device).manual_seed(recipe.seed)

    with Progress("train", recipe.epochs * steps * recipe.batch_size, "strips") as progress:
        for epoch in range(1, recipe.epochs + 1):
            start = time.monotonic()
            tally = _Tally(epoch, device)
            model.train()
            shuffled = torch.randperm(len(train), generator=order).to(device)
            for batch in torch.split(shuffled, recipe.batch_size)[:steps]:
                strips = random_affine(images[batch], chance, **recipe.augment.model_dump())
                log_probability = model(strips)
                loss = nn.functional.nll_loss(log_probability, sums[batch])
                model.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
                for optimizer, schedule in zip(optimizers, schedules, strict=True):
                    optimizer.step()
                    schedule.step()
                average.update_parameters(model)
                tally.add(loss.detach(), log_probability.detach(), sums[batch])
                progress.advance(len(batch), tally.figures)
            train_loss, train_accuracy = tally.means()
            strips_per_second = steps * recipe.batch_size / (time.monotonic() - start)
            val_loss, val_accuracy = judge(averaged, val)
            row = Epoch(epoch, float(schedules[0].get_last_lr()[0]), train_loss, train_accuracy, val_loss, val_accuracy)
            progress.say(
                f"epoch {epoch}/{recipe.epochs}: loss {train_loss:.3f}, validation loss {val_loss:.3f}, "
                f"validation accuracy {val_accuracy:.2%}, {strips_per_second:,.0f} strips/s"
            )
            report(row, strips_per_second)
    return averaged


def one_cycle(step: int, steps: int, warmup: float) -> float:
    """The learning rate's share of its peak: a rise over a share `warmup` of the steps, then half a cosine to zero."""
    rise = math.ceil(warmup * steps)
    if step < rise:
        return (step + 1) / rise
    return 0.5 + 0.5 * math.cos(math.pi * (step - rise + 1) / (steps - rise + 1))


def judge(model: SumModel, strips: Strips) -> tuple[float, float]:
    """Mean negative log-likelihood and accuracy of the sums."""
    log_probability = model.predict(strips.images).log_probability
    loss = -log_probability[np.arange(len(strips)), strips.sums].mean(dtype=np.float64)
    return float(loss), float((log_probability.argmax(1) == strips.sums).mean())


def _optimizers(model: SumModel, recipe: TrainParams) -> list[torch.optim.Optimizer]:
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


def _warmed_up_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Exponential, but over no more steps than there were: the initial weights are forgotten at once."""

    def average(mean: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
        return mean + (new - mean) * (1 - min(decay, (1 + int(count)) / (10 + int(count))))

    return average


class _Tally:
    """Sums of loss and hits that stay on the device until they are looked at."""

    def __init__(self, epoch: int, device: torch.device):
        self.epoch, self.steps, self.seen = epoch, 0, 0
        self._loss = torch.zeros((), device=device)
        self._hits = torch.zeros((), device=device, dtype=torch.int64)

    def add(self, loss: Float[Tensor, ""], log_probability: Float[Tensor, "n s"], sums: Int64[Tensor, " n"]) -> None:
        self.steps += 1
        self.seen += len(sums)
        self._loss += loss
        self._hits += (log_probability.argmax(1) == sums).sum()

    def means(self) -> tuple[float, float]:
        """
        Raises:
            InputError: if the loss is not finite.
        """
        loss = self._loss.item() / self.steps
        if not math.isfinite(loss):
            raise InputError(
                f"training: the loss is {loss} by step {self.steps} of epoch {self.epoch}; lower `train.learning_rate`"
            )
        return loss, self._hits.item() / self.seen

    def figures(self) -> str:
        loss, accuracy = self.means()
        return f"epoch {self.epoch}  loss {loss:.3f}  accuracy {accuracy:.1%}"
