"""Training on sum labels alone: Muon and AdamW, a one-cycle learning rate, averaged weights and recomposed strips."""

import copy
import math
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from digitsum.errors import InputError, one_line
from digitsum.model.architecture import SumModel
from digitsum.model.checkpoint import Checkpoint, restore_rng_states, rng_states
from digitsum.model.cuda_graph import GraphedStep
from digitsum.model.interruption import interruptible
from digitsum.model.learning_curve import Epoch, Totals
from digitsum.model.optimizers import WeightAverage, one_cycle, optimizers, set_learning_rate
from digitsum.model.prediction import predict
from digitsum.model.processes import ProcessGroup
from digitsum.model.self_training import cut_glyphs, mixed_batch, recomposed_digits
from digitsum.model.temperature import best_temperature
from digitsum.model.training_model import FeatureDropout, TrainingModel
from digitsum.params.train import TrainParams
from digitsum.progress import Progress, say
from digitsum.strips.cutting import Cuttings
from digitsum.strips.dataset import Strips
from digitsum.strips.ink import offset

OFFSET_STRIPS = 2000  # training strips that the offset of columns is measured on


def fit(
    model: SumModel,
    train: Strips,
    val: Strips,
    recipe: TrainParams,
    report: Callable[[Epoch, float], None],
    checkpoint: Checkpoint | None = None,
    group: ProcessGroup | None = None,
) -> SumModel:
    """Train `model` in place, on its device, and return the model with averaged weights.

    Args:
        report: called after every epoch with its row of the learning curve and the strips trained on per second.
        checkpoint: to resume from and to save to. After resuming, earlier epochs are reported again.

    Raises:
        InputError: if a batch is larger than the data or than memory, or if the loss is no longer finite.
        SystemExit: at SIGTERM or SIGINT, after saving the checkpoint.
    """
    group = group or ProcessGroup()
    training = Training(model, train, recipe, group)
    before = rng_states()
    # only the main process reads its checkpoint: other machines have none, or another one
    state = group.from_main(checkpoint.load() if checkpoint is not None and group.is_main else None)
    if checkpoint is not None and state is not None and not training.resume(state):
        restore_rng_states(before)
    elif checkpoint is not None and state is not None:
        print(f"train: resuming at step {training.step:,} of {training.steps:,}, from {checkpoint.path}", flush=True)
    for row, rate in training.curve:
        report(row, rate)

    total, done = training.steps * recipe.batch_size, training.step * recipe.batch_size
    with interruptible() as interruption, Progress("train", total, "strips", done) as progress:
        while training.step < training.steps:
            training.train_step()
            progress.advance(recipe.batch_size, training.summary)
            if training.at_epoch_end:
                row, rate = training.end_epoch(val)
                say(
                    f"epoch {row.epoch}/{recipe.epochs}: loss {row.train_loss:.3f}, validation loss {row.val_loss:.3f},"
                    f" validation accuracy {row.val_accuracy:.2%}, {rate:,.0f} strips/s"
                )
                report(row, rate)
            due = checkpoint is not None and group.is_main and checkpoint.due()
            interrupted, due = group.any(bool(interruption), due)
            if checkpoint is not None and (interrupted or due or training.at_epoch_end):
                training.require_finite()  # or the last good checkpoint would be lost
                state = training.state_dict()
                if group.is_main and checkpoint.save(state) and interrupted:
                    with suppress(BrokenPipeError):  # the reader of our output may have been interrupted, too
                        say(f"train: interrupted at step {training.step:,}; run the same command to resume")
            if interrupted:
                raise SystemExit(128 + (interruption.signal or signal.SIGTERM))
    _calibrate(training.averaged, train, val)
    return training.averaged


class Training:
    """All that changes while a model is trained."""

    def __init__(self, model: SumModel, data: Strips, recipe: TrainParams, group: ProcessGroup):
        """
        Raises:
            InputError: if a batch is larger than the data, or smaller than there are processes.
        """
        if not group.size <= recipe.batch_size <= len(data):
            raise InputError(
                f"params.yaml: `train.batch_size` is {recipe.batch_size}, but there are only {len(data)} training "
                f"strips, and {group.size} processes; {max(2, group.size)} to {len(data)} would do"
            )
        self.model, self.data, self.recipe, self.group = model, data, recipe, group
        self.device = model.device
        self.images, self.sums = (torch.from_numpy(np.array(part)).to(self.device) for part in (data.images, data.sums))
        self.epoch_steps = len(data) // recipe.batch_size
        self.steps = recipe.epochs * self.epoch_steps
        self.step = 0
        self.shuffle_rng = torch.Generator().manual_seed(recipe.seed)
        self.step_rng = torch.Generator(self.device).manual_seed(recipe.seed)
        self.average = WeightAverage(model, recipe.average_decay)
        self.optimizers = optimizers(model, recipe)
        self.recomposed_digits = recomposed_digits(data.images.shape[2], recipe.recompose.spacing, model.data.digits)
        self.cuttings: Cuttings | None = None
        self.cut_steps: set[int] = set()
        if recipe.recompose.share and model.head.reads_places and model.head.any_width:
            self.cut_steps = {math.ceil(share * self.steps) for share in recipe.recompose.cut_at}
        dropout = FeatureDropout(recipe.dropout, recipe.batch_size, self.step_rng, group)
        self.training_model = group.data_parallel(TrainingModel(model, dropout, self.recomposed_digits))
        graphed = self.device.type == "cuda" and group.size == 1
        self.run_update = GraphedStep(self.update, self.step_rng) if graphed else self.update
        self.totals = Totals(self.steps, self.epoch_steps, self.device, group)
        self.curve: list[tuple[Epoch, float]] = []
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.shuffled = torch.randperm(len(self.data), generator=self.shuffle_rng).to(self.device)
        self.totals.begin_epoch()
        self._timer, self._timed_steps = time.monotonic(), 0

    @property
    def averaged(self) -> SumModel:
        return self.average.model

    @property
    def learning_rates(self) -> tuple[float, float]:
        """For the next step: of the backbone's convolutions, and of all other weights."""
        return self.learning_rates_at(self.step)

    def learning_rates_at(self, step: int) -> tuple[float, float]:
        recipe = self.recipe
        share = one_cycle(step, self.steps, recipe.warmup, recipe.last_rate)
        return recipe.learning_rate * share, recipe.other_learning_rate * share

    @property
    def at_epoch_end(self) -> bool:
        return self.step % self.epoch_steps == 0

    def train_step(self) -> None:
        """Train on the next batch of this epoch, or on this process's shard of it, without waiting for a GPU.

        Raises:
            InputError: if the batch is larger than the memory of the device.
        """
        size = self.recipe.batch_size
        if self.step in self.cut_steps:
            self._cut()
        start = self.step % self.epoch_steps * size
        for optimizer, rate in zip(self.optimizers, self.learning_rates, strict=True):
            set_learning_rate(optimizer, rate)
        try:
            self.run_update(self.shuffled[start : start + size], self.cuttings)
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"params.yaml: `train.batch_size` is {size}, too much for the memory of {self.device}; lower it"
            ) from error
        self.average.update(self.model, self.step)
        self.step += 1
        self._timed_steps += 1
        self.totals.mark((self.step - 1) % self.epoch_steps + 1)

    def update(self, rows: Int64[Tensor, " b"], cuttings: Cuttings | None) -> None:
        """Update the weights by one batch of training strips, and the totals of the epoch."""
        recipe, group = self.recipe, self.group
        strips, sums, recomposed = mixed_batch(
            self.images[rows], self.sums[rows], recipe.augment, cuttings, self.recomposed_digits, recipe.recompose,
            self.step_rng,
        )  # fmt: skip
        strips, sums = group.shard(strips), group.shard(sums)
        recomposed = int(group.shard(torch.arange(recipe.batch_size) < recomposed).sum())  # of this shard
        self.training_model.train()
        log_probability = self.training_model(strips, recomposed)
        loss = nn.functional.nll_loss(log_probability, sums, reduction="sum")
        self.model.zero_grad()
        # gradients are averaged over the processes, whose shards may differ by a strip
        (loss * group.size / recipe.batch_size).backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
        hits = (log_probability.detach().argmax(1) == sums).sum()
        # after gradients that are not finite, neither are the weights, whatever the loss was
        finite = torch.where(norm.isfinite(), loss.detach(), math.nan)
        self.totals.add(finite, hits, len(sums))

    def _cut(self) -> None:
        """Cut glyphs out of the training strips; if the model reads too little yet, keep those cut before."""
        self.require_finite()  # or there are no likeliest digits
        recompose = self.recipe.recompose
        strips = Strips(self.data.images[: recompose.strips], self.data.sums[: recompose.strips])
        cuttings = cut_glyphs(self.averaged, strips, recompose.sure, recompose.hard)
        if cuttings is not None:
            self.cuttings = cuttings.to(self.device)

    def end_epoch(self, val: Strips) -> tuple[Epoch, float]:
        """Begin the next epoch.

        Returns:
            The row of the learning curve of the one that ended, and the strips trained on per second.
        """
        self.require_finite()  # waits for the device, so that the time is that of the steps
        rate = self._timed_steps * self.recipe.batch_size / (time.monotonic() - self._timer)
        train_loss, train_hits, count = self.totals.of_all().tolist()
        part = slice(self.group.rank, None, self.group.size)
        validation = validate(self.averaged, Strips(val.images[part], val.sums[part]))
        val_loss, val_hits = self.group.total(torch.tensor(validation)).tolist()
        row = Epoch(
            epoch=self.step // self.epoch_steps,
            step=self.step,
            learning_rate=self.learning_rates[0],
            train_loss=train_loss / count,
            train_accuracy=train_hits / count,
            val_loss=val_loss / len(val),
            val_accuracy=val_hits / len(val),
            points=self.totals.points(self.step, lambda step: self.learning_rates_at(step)[0]),
        )
        self.curve.append((row, rate))
        self._begin_epoch()
        return row, rate

    def require_finite(self) -> None:
        """For all processes together, so that all of them raise or none.

        Raises:
            InputError: if a loss of this epoch was not finite.
        """
        loss = self.totals.of_all()[0].item()
        if not math.isfinite(loss):
            raise InputError(
                f"training: the loss is {loss} by step {self.step:,} of {self.steps:,}, at a learning rate of "
                f"{self.learning_rates[0]:.2g}; lower `train.learning_rate` or `train.other_learning_rate`"
            )

    def summary(self) -> str:
        loss, hits, strips = self.totals.now.tolist()
        strips = max(strips, 1)
        epoch = (max(self.step, 1) - 1) // self.epoch_steps + 1
        return f"epoch {epoch}  loss {loss / strips:.3f}  accuracy {hits / strips:.1%}"

    def state_dict(self) -> dict[str, Any]:
        """The state of all processes together: all must call this, and any of them can resume from the result."""
        return {
            "model": self.model.state_dict(),
            "average": self.averaged.state_dict(),
            "optimizers": [optimizer.state_dict()["state"] for optimizer in self.optimizers],
            "shuffle_rng": self.shuffle_rng.get_state(),
            "step_rng": self.step_rng.get_state(),
            "step": self.step,
            "shuffled": self.shuffled,
            **self.totals.state_dict(),
            "cuttings": None if self.cuttings is None else dict(vars(self.cuttings)),
            "curve": [(asdict(row), rate) for row, rate in self.curve],
        }

    def resume(self, state: Mapping[str, Any]) -> bool:
        """Whether the state could be taken over; otherwise the training stays at its first step."""
        fresh = copy.deepcopy(self.state_dict())
        try:
            self.load_state_dict(state)
            if not 0 <= self.step <= self.steps:
                raise ValueError(self.step)
        except Exception as error:  # the state of another training, or of none
            self.load_state_dict(fresh)
            print(
                f"train: the checkpoint does not fit ({one_line(error, 80)}); starting from the first step", flush=True
            )
            return False
        return True

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """To be called before the first step, since a CUDA graph keeps the tensors that it was recorded with."""
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["average"])
        for optimizer, its_state in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict({**optimizer.state_dict(), "state": its_state})
        self.shuffle_rng.set_state(state["shuffle_rng"])
        self.step_rng.set_state(state["step_rng"])
        self.step, self.shuffled = state["step"], state["shuffled"].to(self.device)
        self.totals.load_state_dict(state)
        self.cuttings = None if state["cuttings"] is None else Cuttings(**state["cuttings"]).to(self.device)
        self.curve = [(Epoch.from_dict(row), rate) for row, rate in state["curve"]]


def validate(model: SumModel, strips: Strips) -> tuple[float, float]:
    """The total negative log-likelihood of the sums, and the number of sums right, without shifts."""
    log_probability = predict(model, strips.images, shifts=(0,)).log_probability
    loss = -log_probability[np.arange(len(strips)), strips.sums].sum(dtype=np.float64)
    return float(loss), float((log_probability.argmax(1) == strips.sums).sum())


def _calibrate(model: SumModel, train: Strips, val: Strips) -> None:
    """Measure the offset of columns on training strips and the temperature on validation strips."""
    images = train.images[:OFFSET_STRIPS]
    centres = predict(model, images, shifts=(0,)).centres
    if centres is not None:
        model.offset.fill_(offset(images, centres))
    model.temperature.fill_(best_temperature(predict(model, val.images).log_probability, val.sums))
