"""How fast training is against what the hardware can do.

    PYTHONPATH=. python benchmarks/train_speed.py [--device cpu] [--batch 64]

Prints the rate of whole training steps (augmentation, both passes, optimizers, average) in floating-point operations as
a share of the rate of a matrix product measured beside it, for ResNet-18 and the small net, and what share of a step of
the small net each distribution head takes. Precision is bfloat16 where the hardware multiplies it, else float32.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from digitsum.model.architecture import SumModel
from digitsum.model.cuda_graph import GraphedStep
from digitsum.model.devices import describe, has_fast_bfloat16, prepare
from digitsum.model.heads import HEADS
from digitsum.model.processes import ProcessGroup
from digitsum.model.training import Training
from digitsum.params.loader import read_params
from digitsum.params.model import ModelParams
from digitsum.params.preprocess import PreprocessParams
from digitsum.params.strip import StripParams
from digitsum.params.train import TrainParams
from digitsum.strips.compose import Layout, compose
from digitsum.strips.dataset import Description
from digitsum.strips.sources.digits import sklearn_digits

SIDE = {"cpu": 2048, "mps": 2048, "cuda": 8192}  # of the matrices; smaller ones do not fill a GPU
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--batch", type=int, default=64)
    arguments = parser.parse_args()
    params = read_params()
    device = prepare(arguments.device, params[TrainParams].threads, "--device")
    print(", ".join(f"{name} {value}" for name, value in describe(device).items()))
    layout = Layout.of(params[StripParams], params[PreprocessParams])
    strips, _ = compose(sklearn_digits(), layout, 16 * arguments.batch, np.random.default_rng(0))
    description = Description("digits", layout.digits, layout.height, layout.width, mean=0.14, std=0.25)
    recompose = params[TrainParams].recompose.model_copy(update={"share": 0.0})
    recipe = params[TrainParams].model_copy(update={"batch_size": arguments.batch, "recompose": recompose})

    def training(**architecture: object) -> Training:
        torch.manual_seed(0)
        model = SumModel(params[ModelParams].model_copy(update=architecture), description).to(device)
        return Training(model, strips, recipe, ProcessGroup())

    for backbone in ("resnet18", "small"):
        step = training(backbone=backbone, head="columns").train_step
        with FlopCounterMode(display=False) as counter:
            step()
        # in turns, since clocks drift
        rounds = [(seconds(matrix_product(device), device), seconds(step, device)) for _ in range(ROUNDS)]
        product, learning = (min(times) for times in zip(*rounds, strict=True))
        peak, rate = 2 * SIDE[device.type] ** 3 / product, counter.get_total_flops() / learning
        print(
            f"{backbone}: {arguments.batch / learning:,.0f} strips/s, {rate / 1e9:,.0f} GFLOP/s, "
            f"{rate / peak:.0%} of the {peak / 1e9:,.0f} GFLOP/s of a matrix product"
        )

    for head in HEADS:
        whole = training(backbone="small", head=head)
        features = whole.model.features(whole.images[: arguments.batch]).detach()

        def alone(features: torch.Tensor, whole: Training) -> None:
            sums = whole.sums[: arguments.batch]
            whole.model.head.zero_grad()  # so that a CUDA graph has gradients of its own
            torch.nn.functional.nll_loss(whole.model.head(features.detach().requires_grad_()), sums).backward()

        run = GraphedStep(alone, whole.step_rng) if device.type == "cuda" else alone
        rounds = [
            (seconds(partial(run, features, whole), device), seconds(whole.train_step, device)) for _ in range(ROUNDS)
        ]
        by_head, learning = (min(times) for times in zip(*rounds, strict=True))
        print(f"head {head}: {by_head / learning:.0%} of a step of the small net at a batch of {arguments.batch}")


def matrix_product(device: torch.device) -> Callable[[], object]:
    dtype = torch.bfloat16 if has_fast_bfloat16(device.type) else torch.float32
    left, right = torch.randn(2, SIDE[device.type], SIDE[device.type], device=device).to(dtype)
    return lambda: left @ right


def seconds(action: Callable[[], object], device: torch.device, repeats: int = 5) -> float:
    """Seconds of one call, a mean, with the device idle before and after."""
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


if __name__ == "__main__":
    main()
