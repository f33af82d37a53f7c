"""The learning curve, and the totals that it is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from digitsum.model.processes import ProcessGroup

POINTS = 200  # of the training curve, at least, where there are so many steps


@dataclass(frozen=True)
class Point:
    """One point of the training curve: means over the steps since the point before, and the next learning rate."""

    step: int
    learning_rate: float
    train_loss: float
    train_accuracy: float


@dataclass(frozen=True)
class Epoch:
    """One row of the learning curve.

    Training figures are means over the epoch and over strips as the model saw them: warped, and some of them
    recomposed, which are harder since they hold more digits. Validation figures are of the averaged model, without
    shifts. The learning rate is the one at the end of the epoch, and `step` is the number of steps by then.
    """

    epoch: int
    step: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    points: tuple[Point, ...]  # of the training curve within this epoch

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Epoch":
        """The opposite of `dataclasses.asdict`."""
        points: Sequence[Mapping[str, Any]] = fields["points"]
        return cls(**{**fields, "points": tuple(Point(**point) for point in points)})


class Totals:
    """Losses, hits and strips since the epoch began, now and at each point of the training curve.

    They stay on the device, so that nothing waits for it. Each process counts its own shards.
    """

    def __init__(self, steps: int, epoch_steps: int, device: torch.device, group: ProcessGroup):
        self.epoch_steps, self.group = epoch_steps, group
        self.stride = max(1, steps // POINTS)  # steps from one point to the next
        self.now = torch.zeros(3, device=device)
        self.marks = torch.zeros(-(-epoch_steps // self.stride), 3, device=device)  # `now`, as it was at each point

    def begin_epoch(self) -> None:
        self.now.zero_()

    def add(self, loss: Tensor, hits: Tensor, strips: int) -> None:
        self.now += torch.stack([loss, hits, hits.new_full((), strips)])

    def mark(self, done: int) -> None:
        """To be called after each step, with the number of steps of this epoch that are done."""
        if done % self.stride == 0 or done == self.epoch_steps:
            self.marks[(done - 1) // self.stride] = self.now

    def of_all(self) -> Float[Tensor, "3"]:
        """The totals of all processes, which must all call this."""
        return self.group.total(self.now.clone())

    def points(self, last_step: int, learning_rate: Callable[[int], float]) -> tuple[Point, ...]:
        """The training curve of the epoch that ends with `last_step`; all processes must call this."""
        marks = self.group.total(self.marks.clone()).double().cpu()
        first = last_step - self.epoch_steps
        steps = [first + min((number + 1) * self.stride, self.epoch_steps) for number in range(len(marks))]
        each = marks.diff(dim=0, prepend=marks.new_zeros(1, 3)).tolist()
        return tuple(
            Point(step, learning_rate(step), loss / count, hits / count)
            for step, (loss, hits, count) in zip(steps, each, strict=True)
        )

    def state_dict(self) -> dict[str, Tensor]:
        """The totals of all processes, which must all call this."""
        return {"totals": self.of_all(), "marks": self.group.total(self.marks.clone())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.now.copy_(state["totals"] * self.group.is_main)  # the totals of all processes count once
        self.marks.copy_(state["marks"] * self.group.is_main)
