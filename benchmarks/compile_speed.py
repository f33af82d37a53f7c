"""What torch.compile and CUDA graphs each give to a training step.

    PYTHONPATH=. python benchmarks/compile_speed.py [--device cuda] [--backbone resnet18] [--batch 1024]

Prints the strips per second of whole training steps (augmentation, both passes, optimizers, weight average) in four
ways: kernel by kernel, recorded as a CUDA graph, with the backbone compiled, and with both. The first two give the same
bits; compiled kernels give others. Compilation itself is timed apart, as the time of the first step.
"""

import argparse
import time

import numpy as np
import torch

from digitsum.model.architecture import SumModel
from digitsum.model.devices import describe, prepare
from digitsum.model.precision import is_faster_in_bfloat16
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

STEPS = 20
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--quick", action="store_true", help="a small run of seconds, whose numbers mean nothing")
    arguments = parser.parse_args()
    batch, steps, rounds = (4, 1, 1) if arguments.quick else (arguments.batch, STEPS, ROUNDS)
    device = prepare(arguments.device, read_params()[TrainParams].threads, "--device")
    print(", ".join(f"{name} {value}" for name, value in describe(device).items()))
    ways = [(graph, compiled) for compiled in (False, True) for graph in (False, True)]
    if device.type != "cuda":
        ways = ways[::2]
    for graph, compiled in ways[:1] if arguments.quick else ways:
        training = prepared(arguments.backbone, batch, device)
        if not graph:
            training.run_update = training.update
        if compiled:
            training.model.backbone.compile()
        name = f"{'compiled' if compiled else 'eager'}{' + CUDA graph' if graph else ''}"
        first = seconds(training, 1, device)
        seconds(training, 4, device)  # in which a graph is recorded
        rate = batch * steps / min(seconds(training, steps, device) for _ in range(rounds))
        print(f"{arguments.backbone}, {name}: {rate:,.0f} strips/s; first step {first:.1f} s", flush=True)


def prepared(backbone: str, batch: int, device: torch.device) -> Training:
    params = read_params()
    layout = Layout.of(params[StripParams], params[PreprocessParams])
    strips, _ = compose(sklearn_digits(), layout, 16 * batch, np.random.default_rng(0))
    description = Description("digits", layout.digits, layout.height, layout.width, mean=0.14, std=0.25)
    recompose = params[TrainParams].recompose.model_copy(update={"share": 0.0})
    recipe = params[TrainParams].model_copy(update={"batch_size": batch, "epochs": 1000, "recompose": recompose})
    torch.manual_seed(0)
    model = SumModel(params[ModelParams].model_copy(update={"backbone": backbone}), description).to(device)
    model.in_bfloat16 = is_faster_in_bfloat16(model)
    return Training(model, strips, recipe, ProcessGroup())


def seconds(training: Training, steps: int, device: torch.device) -> float:
    """The time of so many steps, with the device idle before and after."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(steps):
        training.train_step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
