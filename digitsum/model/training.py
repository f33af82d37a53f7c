"""Training on sum labels alone: Muon, a one-cycle learning rate, an average of the weights, and recomposed strips."""

import math
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from digitsum.errors import InputError
from digitsum.model.architecture import SumModel
from digitsum.model.cuda_graph import Recorded
from digitsum.model.heads import Columns
from digitsum.model.optimizers import Average, one_cycle, optimizers, set_rates
from digitsum.model.processes import Workers
from digitsum.model.resume import Keeper, stopping
from digitsum.model.temperature import best_temperature
from digitsum.params.train import TrainParams
from digitsum.progress import Progress
from digitsum.strips.augment import random_warp
from digitsum.strips.cutting import Cuttings, cut
from digitsum.strips.dataset import Strips
from digitsum.strips.glyphs import SIDE
from digitsum.strips.ink import offset

# of the sums, unaided: a model that gets fewer right tells no digits apart, whatever its readings add up to
READS = 0.5
HARDEST = 2.0  # nats of a strip's loss; beyond, it counts no more, since its label may be wrong


def recomposed_digits(width: int, spacing: int, least: int) -> int:
    """How many digits a recomposed strip of `width` pixels holds, at `spacing` pixels of width to each."""
    return max(least, 1 + (width - SIDE) // spacing)


@dataclass(frozen=True)
class Epoch:
    """One row of the learning curve. Validation is of the averaged model, unshifted.

    Training figures are means over the epoch, and over strips as the model saw them: warped, and some recomposed, which
    have more digits to get right. The learning rate is that at the epoch's end.
    """

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
    report: Callable[[Epoch, float], None],
    keeper: Keeper | None = None,
    workers: Workers | None = None,
) -> SumModel:
    """Trains `model` in place, on the device it is on, and returns the average of its weights.

    `report` is called after every epoch with its row of the learning curve and the strips trained on per second. With
    a `keeper`, training that was cut off goes on where it was, and `report` hears of the epochs before again.

    Raises:
        InputError: if a batch is larger than the data or than memory, or the loss is no longer finite.
        SystemExit: at SIGTERM or SIGINT, once the state is kept.
    """
    workers = workers or Workers()
    training = Training(model, train, recipe, workers)
    # what the first has kept, for all: processes on other machines find nothing there, or something else
    state = workers.from_first(keeper.load() if keeper is not None and workers.first else None)
    if keeper is not None and state is not None:
        training.load_state_dict(state)
        print(f"train: going on after step {training.step:,} of {training.steps:,}, from {keeper.path}", flush=True)
    for row, rate in training.curve:
        report(row, rate)

    total, done = training.steps * recipe.batch_size, training.step * recipe.batch_size
    with stopping() as stop, Progress("train", total, "strips", done) as progress:
        while training.step < training.steps:
            training.learn()
            progress.advance(recipe.batch_size, training.figures)
            if training.at_epoch_end:
                row, rate = training.end_epoch(val)
                progress.say(
                    f"epoch {row.epoch}/{recipe.epochs}: loss {row.train_loss:.3f}, validation loss {row.val_loss:.3f},"
                    f" validation accuracy {row.val_accuracy:.2%}, {rate:,.0f} strips/s"
                )
                report(row, rate)
            stopped, due = workers.any(bool(stop), workers.first and keeper is not None and keeper.due())
            if keeper is not None and (stopped or due or training.at_epoch_end):
                training.require_finite()  # or the last good state would be lost
                state = training.state_dict()
                if workers.first and keeper.save(state) and stopped:
                    with suppress(BrokenPipeError):  # a reader that was stopped, too, is no failure
                        progress.say(f"train: stopped after step {training.step:,}; the same command goes on")
            if stopped:
                raise SystemExit(128 + (stop.signal or signal.SIGTERM))
    _set_offset(training.averaged, train)
    said = training.averaged.predict(val.images).log_probability
    training.averaged.temperature.fill_(best_temperature(said, val.sums))
    return training.averaged


class Training:
    """All that changes while a model is trained."""

    def __init__(self, model: SumModel, data: Strips, recipe: TrainParams, workers: Workers):
        """
        Raises:
            InputError: if a batch is larger than the data, or smaller than there are processes.
        """
        if not workers.count <= recipe.batch_size <= len(data):
            raise InputError(
                f"params.yaml: `train.batch_size` is {recipe.batch_size}, but there are only {len(data)} training "
                f"strips, and {workers.count} processes; {max(2, workers.count)} to {len(data)} would do"
            )
        self.model, self.data, self.recipe, self.workers = model, data, recipe, workers
        self.device = next(model.parameters()).device
        self.images, self.sums = (torch.from_numpy(np.array(part)).to(self.device) for part in (data.images, data.sums))
        self.epoch_steps = len(data) // recipe.batch_size
        self.steps = recipe.epochs * self.epoch_steps
        self.step = 0
        self.average = Average(model, recipe.average_decay)
        self.learner = workers.wrap(model)
        self.optimizers = optimizers(model, recipe)
        self.order = torch.Generator().manual_seed(recipe.seed)
        self.chance = torch.Generator(self.device).manual_seed(recipe.seed)
        self.cuttings: Cuttings | None = None
        self.dense_digits = recomposed_digits(data.images.shape[2], recipe.recompose.spacing, least=model.data.digits)
        self.curve: list[tuple[Epoch, float]] = []
        self.tally = torch.zeros(3, device=self.device)  # losses, hits, strips of this epoch in this process
        recorded = self.device.type == "cuda" and workers.count == 1
        self.update = Recorded(self._update, self.chance) if recorded else self._update
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.shuffled = torch.randperm(len(self.data), generator=self.order).to(self.device)
        self.tally.zero_()
        self._timer, self._timed = time.monotonic(), 0

    @property
    def averaged(self) -> SumModel:
        return self.average.model

    @property
    def rates(self) -> tuple[float, float]:
        """Learning rates of the next step, of the backbone's convolutions and of all else."""
        recipe = self.recipe
        share = one_cycle(self.step, self.steps, recipe.warmup, recipe.last_rate)
        return recipe.learning_rate * share, recipe.other_learning_rate * share

    @property
    def at_epoch_end(self) -> bool:
        return self.step % self.epoch_steps == 0

    def learn(self) -> None:
        """One step on the next batch in this epoch's order, or on this process's share of it.

        On a GPU nothing here waits for it.

        Raises:
            InputError: if the batch is larger than the memory of the device.
        """
        size, recompose = self.recipe.batch_size, self.recipe.recompose
        if recompose.share and self.step in {math.ceil(share * self.steps) for share in recompose.cut_at}:
            self.cuttings = self._cut() or self.cuttings
        start = self.step % self.epoch_steps * size
        for optimizer, rate in zip(self.optimizers, self.rates, strict=True):
            set_rates(optimizer, rate)
        try:
            self.update(self.shuffled[start : start + size], self.cuttings)
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"params.yaml: `train.batch_size` is {size}, too much for the memory of {self.device}; lower it"
            ) from error
        self.average.update(self.model, self.step)
        self.step += 1
        self._timed += 1

    def _update(self, rows: Int64[Tensor, " b"], cuttings: Cuttings | None) -> None:
        """Moves the weights by what these training strips say, and adds to the tally."""
        *batch, recomposed = self._batch(rows, cuttings)
        strips, sums = map(self.workers.share, batch)
        dense = int(self.workers.share(torch.arange(self.recipe.batch_size) < recomposed).sum())
        self.model.train()
        log_probability = self.learner(strips, self._dropout_mask(), dense, self.dense_digits)
        loss = nn.functional.nll_loss(log_probability, sums, reduction="sum")
        self.model.zero_grad()
        # gradients are averaged over the processes, whose shares may differ by a strip
        (loss * self.workers.count / self.recipe.batch_size).backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
        hits = (log_probability.detach().argmax(1) == sums).sum()
        # where gradients are not finite, weights are no longer, whatever the loss was before
        finite = torch.where(norm.isfinite(), loss.detach(), math.nan)
        self.tally += torch.stack([finite, hits, hits.new_full((), len(sums))])

    def _batch(
        self, rows: Int64[Tensor, " b"], cuttings: Cuttings | None
    ) -> tuple[Float[Tensor, "b h w"], Int64[Tensor, " b"], int]:
        """These strips, warped, and their sums, the first replaced by recomposed ones; and how many are.

        Recomposed strips hold more digits than others: of two as large, the one with more has more to teach.
        """
        size, recompose = len(rows), self.recipe.recompose
        made = min(round(recompose.share * size), size - 1) if cuttings else 0
        strips = random_warp(self.images[rows[made:]], self.chance, **self.recipe.augment.model_dump())
        if cuttings is None or made == 0:
            return strips, self.sums[rows], 0
        height, width = self.images.shape[1:]
        others, their_sums = cuttings.compose(
            made, self.dense_digits, height, width, recompose.nearest, recompose.augment, self.chance
        )
        return torch.cat([others, strips]), torch.cat([their_sums, self.sums[rows[made:]]]), made

    def _dropout_mask(self) -> Float[Tensor, "b c i j"] | None:
        """Of this process's share: zero for features that are dropped, above one for the rest, one on average."""
        dropout = self.recipe.dropout
        if not dropout:
            return None  # and no random numbers are drawn
        shape = self.recipe.batch_size, *self.model.feature_shape
        kept = torch.rand(shape, generator=self.chance, device=self.device) >= dropout
        return self.workers.share(kept / (1 - dropout))

    def _cut(self) -> Cuttings | None:
        """What the averaged model reads in strips, given their sums; None if it does not read places, or not well yet.

        Knowing the sum, it is right even about strips that it would have got wrong, and these have most to teach.
        """
        if not isinstance(self.averaged.head, Columns):
            return None
        self.require_finite()  # or there are no likeliest digits
        recompose = self.recipe.recompose
        images, sums = (part[: recompose.strips] for part in (self.data.images, self.data.sums))
        said = self.averaged.predict(images, shifts=(0,), sums=sums)
        assert said.digits is not None
        assert said.centres is not None
        unaided = float((said.log_probability.argmax(axis=1) == sums).mean())
        losses = -said.log_probability[np.arange(len(sums)), sums]
        (read,) = np.nonzero(losses < -math.log(recompose.sure))
        if unaided < READS or not len(read):
            print(f"train: no glyphs cut out, since only {unaided:.1%} of the sums are read", flush=True)
            return None
        strips, centres = images[read], said.centres[read]
        loss = losses[read].clip(1e-6, HARDEST)  # a loss of zero may be rounded to less
        weights = 1 - recompose.hard + recompose.hard * loss / loss.mean()
        cuttings = cut(strips, said.digits[read], centres + offset(strips, centres), weights)
        print(f"train: {len(cuttings.digits):,} glyphs cut out of {len(read):,} strips that are read", flush=True)
        return cuttings.to(self.device) if len(cuttings.digits) else None

    def end_epoch(self, val: Strips) -> tuple[Epoch, float]:
        """The epoch's row of the learning curve, and the strips trained on per second; then a new order."""
        self.require_finite()  # which waits for the device, so that the time is that of the steps
        rate = self._timed * self.recipe.batch_size / (time.monotonic() - self._timer)
        train_loss, train_hits, count = self._tally_of_all().tolist()
        part = slice(self.workers.rank, None, self.workers.count)
        judged = judge(self.averaged, Strips(val.images[part], val.sums[part]))
        val_loss, val_hits = self.workers.total(torch.tensor(judged)).tolist()
        row = Epoch(
            epoch=self.step // self.epoch_steps,
            learning_rate=self.rates[0],
            train_loss=train_loss / count,
            train_accuracy=train_hits / count,
            val_loss=val_loss / len(val),
            val_accuracy=val_hits / len(val),
        )
        self.curve.append((row, rate))
        self._begin_epoch()
        return row, rate

    def require_finite(self) -> None:
        """For all processes together, so that all of them raise or none.

        Raises:
            InputError: if a loss of this epoch was not finite.
        """
        loss = self._tally_of_all()[0].item()
        if not math.isfinite(loss):
            raise InputError(
                f"training: the loss is {loss} by step {self.step:,} of {self.steps:,}, at a learning rate of "
                f"{self.rates[0]:.2g}; lower `train.learning_rate` or `train.other_learning_rate`"
            )

    def _tally_of_all(self) -> Float[Tensor, "3"]:
        return self.workers.total(self.tally.clone())

    def figures(self) -> str:
        loss, hits, strips = self.tally.tolist()
        strips = max(strips, 1)
        epoch = (max(self.step, 1) - 1) // self.epoch_steps + 1
        return f"epoch {epoch}  loss {loss / strips:.3f}  accuracy {hits / strips:.1%}"

    def state_dict(self) -> dict[str, Any]:
        """Of all processes together: each of them must ask for it, and any of them can go on from it."""
        return {
            "model": self.model.state_dict(),
            "average": self.averaged.state_dict(),
            "optimizers": [optimizer.state_dict()["state"] for optimizer in self.optimizers],
            "order": self.order.get_state(),
            "chance": self.chance.get_state(),
            "step": self.step,
            "shuffled": self.shuffled,
            "tally": self._tally_of_all(),
            "cuttings": None if self.cuttings is None else dict(vars(self.cuttings)),
            "curve": [(asdict(row), rate) for row, rate in self.curve],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Before the first step: those that are recorded go on with the tensors that they were recorded with."""
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["average"])
        for optimizer, its_state in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict({**optimizer.state_dict(), "state": its_state})
        self.order.set_state(state["order"])
        self.chance.set_state(state["chance"])
        self.step, self.shuffled = state["step"], state["shuffled"].to(self.device)
        self.tally.copy_(state["tally"] * self.workers.first)  # that of all counts once
        self.cuttings = None if state["cuttings"] is None else Cuttings(**state["cuttings"]).to(self.device)
        self.curve = [(Epoch(**row), rate) for row, rate in state["curve"]]


def judge(model: SumModel, strips: Strips) -> tuple[float, float]:
    """Negative log-likelihood of the sums, and how many are right; both are totals, of strips that are not shifted."""
    log_probability = model.predict(strips.images, shifts=(0,)).log_probability
    loss = -log_probability[np.arange(len(strips)), strips.sums].sum(dtype=np.float64)
    return float(loss), float((log_probability.argmax(1) == strips.sums).sum())


def _set_offset(model: SumModel, strips: Strips, count: int = 2000) -> None:
    """Measures, where glyphs lie apart, how far they are from the columns that fire for them."""
    said = model.predict(strips.images[:count], shifts=(0,))
    if said.centres is not None:
        model.offset.fill_(offset(strips.images[:count], said.centres))
