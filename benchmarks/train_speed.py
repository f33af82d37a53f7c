"""How fast training is, compared with the peak of the hardware.

    PYTHONPATH=. python benchmarks/train_speed.py [--device cpu] [--batch 64]

Prints floating-point operations per second of whole training steps (augmentation, forward and backward pass,
optimizers, weight averaging) as a share of those of a matrix product, for ResNet-18 and the small backbone, and the
share of a step that each head takes on the small backbone. Precision is bfloat16 where the hardware multiplies it, and
float32 elsewhere.
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
from digitsum.model.devices import describe, prepare
from digitsum.model.heads import HEADS
from digitsum.model.precision import is_faster_in_bfloat16, multiplies_bfloat16
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

SIDE = {"cpu": 2048, "mps": 2048, "cuda": 8192}  # of the square matrices; smaller ones do not occupy a GPU fully
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--quick", action="store_true", help="a small run of seconds, whose numbers mean nothing")
    words = parser.parse_args()
    measured = ("small",) if words.quick else ("resnet18", "small")
    rounds_of_each = 1 if words.quick else ROUNDS
    params = read_params()
    device = prepare(words.device, params[TrainParams].threads, "--device")
    print(", ".join(f"{name} {value}" for name, value in describe(device).items()))
    layout = Layout.of(params[StripParams], params[PreprocessParams])
    strips, _ = compose(sklearn_digits(), layout, 16 * words.batch, np.random.default_rng(0))
    description = Description("digits", layout.digits, layout.height, layout.width, mean=0.14, std=0.25)
    recompose = params[TrainParams].recompose.model_copy(update={"share": 0.0})
    recipe = params[TrainParams].model_copy(update={"batch_size": words.batch, "recompose": recompose})

    def training(**architecture: object) -> Training:
        torch.manual_seed(0)
        model = SumModel(params[ModelParams].model_copy(update=architecture), description).to(device)
        model.in_bfloat16 = is_faster_in_bfloat16(model)
        return Training(model, strips, recipe, ProcessGroup())

    for backbone in measured:
        step = training(backbone=backbone, head="columns").train_step
        with FlopCounterMode(display=False) as counter:
            step()
        # alternating, since clock speeds drift
        rounds = [(seconds(matrix_product(device), device), seconds(step, device)) for _ in range(rounds_of_each)]
        product, learning = (min(times) for times in zip(*rounds, strict=True))
        peak, rate = 2 * SIDE[device.type] ** 3 / product, counter.get_total_flops() / learning
        print(
            f"{backbone}: {words.batch / learning:,.0f} strips/s, {rate / 1e9:,.0f} GFLOP/s, "
            f"{rate / peak:.0%} of the {peak / 1e9:,.0f} GFLOP/s of a matrix product"
        )

    for head in HEADS:
        whole = training(backbone="small", head=head)
        features = whole.model.features(whole.images[: words.batch]).detach()

        def alone(features: torch.Tensor, whole: Training) -> None:
            sums = whole.sums[: words.batch]
            whole.model.head.zero_grad()  # so that a CUDA graph has gradients of its own
            loss = torch.nn.functional.nll_loss(whole.model.head(features.detach().requires_grad_()), sums)
            torch.autograd.backward(loss)

        run = GraphedStep(alone, whole.step_rng) if device.type == "cuda" else alone
        rounds = [
            (seconds(partial(run, features, whole), device), seconds(whole.train_step, device))
            for _ in range(rounds_of_each)
        ]
        by_head, learning = (min(times) for times in zip(*rounds, strict=True))
        print(f"head {head}: {by_head / learning:.0%} of a step with the small backbone at a batch of {words.batch}")


def matrix_product(device: torch.device) -> Callable[[], object]:
    dtype = torch.bfloat16 if multiplies_bfloat16(device.type) else torch.float32
    left, right = torch.randn(2, SIDE[device.type], SIDE[device.type], device=device).to(dtype)
    return lambda: left @ right


def seconds(action: Callable[[], object], device: torch.device, repeats: int = 5) -> float:
    """Mean seconds of a call; the device is idle before and after the calls."""
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
