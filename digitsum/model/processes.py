"""Training in several processes, which torchrun starts: each computes a shard of every batch, and all stay the same.

The loss curve is that of one process up to rounding: gradients are weighted by the size of the shards, batch
normalization sees the whole batch, and every process draws the random numbers of the whole batch.
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
class ProcessGroup:
    """The processes of one training, and which of them this is."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes and logs."""
        return self.rank == 0

    def shard(self, batch: Tensor) -> Tensor:
        """This process's part of a batch; the sizes of the parts differ by one at most."""
        return batch.tensor_split(self.size)[self.rank]

    def any(self, *values: bool) -> tuple[bool, ...]:
        """For each value, whether it is true in any process."""
        if self.size == 1:
            return values
        flags = torch.tensor(values, dtype=torch.int)  # on the CPU, so that nothing waits for a GPU
        torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
        return tuple(map(bool, flags.tolist()))

    def from_main(self, value: T) -> T:
        """The value that the main process passed."""
        if self.size == 1:
            return value
        values = [value]
        torch.distributed.broadcast_object_list(values, device=torch.device("cpu"))
        return values[0]

    def total(self, value: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            torch.distributed.all_reduce(value)
        return value

    def data_parallel(self, module: nn.Module) -> nn.Module:
        """The module with gradients that are means over all processes; `module` itself keeps the weights."""
        if self.size == 1:
            return module
        _synchronize(module)
        return DistributedDataParallel(module, forward_sync_buffers=False)


def launch(module: str, processes: int, threads: int) -> None:
    """Run so many processes of `module` by torchrun, unless this is one of them.

    Raises:
        SystemExit: when they have ended, with the exit code of the first that failed.
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
        code = error.get_first_failure()[1].exitcode  # negative if a signal ended it
        raise SystemExit(code if code > 0 else 128 - code) from error
    except SignalException as error:
        raise SystemExit(128 + error.sigval) from error
    raise SystemExit(0)


@contextmanager
def process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """The processes that torchrun started, or this one alone; only the main process can print within the block."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ProcessGroup()
        return
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    group = ProcessGroup(torch.distributed.get_rank(), count)
    try:
        with ExitStack() as silence:
            if not group.is_main:
                nowhere = silence.enter_context(Path(os.devnull).open("w"))
                silence.enter_context(redirect_stdout(nowhere))
                silence.enter_context(redirect_stderr(nowhere))
            yield group
    finally:
        torch.distributed.destroy_process_group()


class _Sum(torch.autograd.Function):
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
    """Normalizes by the whole batch's statistics. torch.nn.SyncBatchNorm does so on GPUs only."""

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:  # noqa: A002 (as in nn.Module)
        if not self.training:
            return super().forward(input)
        x = input.to(self.weight.dtype)  # from bfloat16
        count = _reduced(x.new_full((), x.numel() / self.num_features))
        mean: Tensor = _Sum.apply(x.sum((0, 2, 3))) / count
        centered = x - mean[:, None, None]  # squared only then: the difference of two squares would lose digits
        variance: Tensor = _Sum.apply(centered.square().sum((0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = (variance + self.eps).rsqrt() * self.weight
        normal: Tensor = centered * scale[:, None, None] + self.bias[:, None, None]
        return normal.to(input.dtype)

    def _remember(self, mean: Float[Tensor, " c"], variance: Float[Tensor, " c"]) -> None:
        assert self.momentum is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked += 1


def _synchronize(module: nn.Module) -> None:
    """Give the batch normalization the statistics of the whole batch, in place: weights stay the same tensors."""
    for layer in module.modules():
        if type(layer) is nn.BatchNorm2d:
            layer.__class__ = GlobalBatchNorm
