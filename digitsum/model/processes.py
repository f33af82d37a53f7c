"""One training in several processes, started by torchrun: each computes its share of every batch, all end up the same.

The loss curve is that of one process up to rounding: shares are weighted by their size, batch normalisation sees the
whole batch, and random numbers are drawn for the whole batch in every process.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


@dataclass(frozen=True)
class Workers:
    """The processes of one training, and which of them this is; the first writes and logs."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and logs."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """This process's part of a batch; parts differ by one at most."""
        return batch.tensor_split(self.count)[self.rank]

    def any(self, *values: bool) -> tuple[bool, ...]:
        """Of each, whether it holds in any process."""
        if self.count == 1:
            return values
        flags = torch.tensor(values, dtype=torch.int)  # on the CPU: the device goes on
        torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
        return tuple(map(bool, flags.tolist()))

    def from_first(self, value: T) -> T:
        """What the first process gave."""
        if self.count == 1:
            return value
        given = [value]
        torch.distributed.broadcast_object_list(given, device=torch.device("cpu"))
        return given[0]

    def total(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.count > 1:
            torch.distributed.all_reduce(value)
        return value

    def wrap(self, model: nn.Module) -> nn.Module:
        """A model whose gradients are means over all processes; the module given stays the one to read and save."""
        if self.count == 1:
            return model
        _synchronise(model)
        return DistributedDataParallel(model, forward_sync_buffers=False)


def launch(module: str, processes: int, threads: int) -> None:
    """Runs as many processes of `module` by torchrun, unless this is one of them.

    Raises:
        SystemExit: once they have ended, with the exit code of the first that failed.
    """
    if processes == 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    try:
        run(parse_args(["--standalone", f"--nproc-per-node={processes}", "-m", module]))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        code = error.get_first_failure()[1].exitcode  # negative where a signal ended it
        raise SystemExit(code if code > 0 else 128 - code) from error
    except SignalException as error:
        raise SystemExit(128 + error.sigval) from error
    raise SystemExit(0)


@contextmanager
def workers(device: torch.device) -> Iterator[Workers]:
    """The processes that torchrun started, or this one alone."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Workers()
        return
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    team = Workers(torch.distributed.get_rank(), count)
    try:
        with ExitStack() as silence:
            if not team.first:
                nowhere = silence.enter_context(Path(os.devnull).open("w"))
                silence.enter_context(redirect_stdout(nowhere))
                silence.enter_context(redirect_stderr(nowhere))
            yield team
    finally:
        torch.distributed.destroy_process_group()


class _Total(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ARG004
        return _reduced(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        return _reduced(gradients[0])


def _reduced(value: Tensor) -> Tensor:
    everywhere = value.clone(memory_format=torch.contiguous_format)
    torch.distributed.all_reduce(everywhere)
    return everywhere


class GlobalBatchNorm(nn.BatchNorm2d):
    """Normalises by the whole batch's statistics. torch.nn.SyncBatchNorm does so on GPUs only."""

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:  # noqa: A002 (as in nn.Module)
        if not self.training:
            return super().forward(input)
        x = input.to(self.weight.dtype)  # from bfloat16
        count = _reduced(x.new_full((), x.numel() / self.num_features))
        mean: Tensor = _Total.apply(x.sum((0, 2, 3))) / count
        centred = x - mean[:, None, None]  # and only then squared: the difference of two squares would lose digits
        variance: Tensor = _Total.apply(centred.square().sum((0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = (variance + self.eps).rsqrt() * self.weight
        normal: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return normal.to(input.dtype)

    def _remember(self, mean: Float[Tensor, " c"], variance: Float[Tensor, " c"]) -> None:
        assert self.momentum is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked += 1


def _synchronise(model: nn.Module) -> None:
    """In place, so that whoever holds a weight of the model still does."""
    for layer in model.modules():
        if type(layer) is nn.BatchNorm2d:
            layer.__class__ = GlobalBatchNorm
