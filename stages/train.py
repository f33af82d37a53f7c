"""Train a model on strips and their sums, and on nothing else."""

import csv
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import torch

from digitsum import stage
from digitsum.dependencies import digest_of
from digitsum.files import sha256, whole_file
from digitsum.inputs import held
from digitsum.model.checkpoint import Checkpoint
from digitsum.model.devices import describe, prepare
from digitsum.model.learning_curve import Epoch, Point
from digitsum.model.model_file import write_model
from digitsum.model.precision import is_faster_in_bfloat16
from digitsum.model.processes import launch, process_group
from digitsum.model.training import fit
from digitsum.model.transfer import initial_model
from digitsum.params.loader import read_params
from digitsum.params.model import ModelParams
from digitsum.params.train import TrainParams
from digitsum.places import LEARNING_CURVE, MODEL, PROCESSED, STATE, TRAINING_CURVE, repository_root
from digitsum.strips.dataset import Description, Strips
from digitsum.tracking.recording.tracker import tracked

CHECKPOINTS = STATE / "checkpoints"  # not an out, since DVC deletes outs before the stage runs


def main() -> None:
    params = read_params()
    architecture, recipe = params[ModelParams], params[TrainParams]
    launch("stages.train", recipe.processes, recipe.threads)
    device = prepare(recipe.device, recipe.threads, "train.device", recipe.arithmetic)
    with (
        process_group(device) as group,
        tracked("train", group.is_main) as tracker,
        held("train") if group.is_main else nullcontext(),
    ):
        tracker.params("model", architecture.model_dump())
        tracker.params("train", recipe.model_dump())
        tracker.data(PROCESSED, "training")

        description = Description.read(PROCESSED / "dataset.json")
        train, val = Strips.read(PROCESSED / "train"), Strips.read(PROCESSED / "val")
        files = checksums(architecture)
        torch.manual_seed(recipe.seed)
        model = initial_model(architecture, description).to(device)
        model.in_bfloat16 = group.from_main(group.is_main and is_faster_in_bfloat16(model))
        machine = describe(device, model.in_bfloat16) | {"processes": str(group.size)}
        tracker.tags(machine)
        size = sum(parameter.numel() for parameter in model.parameters())
        where = f"{group.size} x {device}" if group.size > 1 else device
        print(f"train: {architecture.head} on {architecture.backbone}, {size:,} parameters, on {where}", flush=True)

        settings = {"model": architecture.model_dump(), "train": recipe.model_dump(), "data": asdict(description)}
        key = {"files": files, "code": digest_of("train"), **settings, **machine}
        checkpoint = Checkpoint(repository_root() / CHECKPOINTS, key)
        curve: list[Epoch] = []

        def report(epoch: Epoch, strips_per_second: float) -> None:
            curve.append(epoch)
            for point in epoch.points:
                tracker.metrics({name: value for name, value in figures(point).items() if name != "step"}, point.step)
            validation = {"epoch": epoch.epoch, "val_loss": epoch.val_loss, "val_accuracy": epoch.val_accuracy}
            tracker.metrics(validation | {"strips_per_second": strips_per_second}, epoch.step)

        averaged = fit(model, train, val, recipe, report, checkpoint, group)

        if group.is_main:
            averaged.trained_on = {"source": description.source, "files": files, "recipe": recipe.model_dump()}
            write_model(averaged, MODEL)
            write_curve(LEARNING_CURVE, [figures(epoch) for epoch in curve])
            write_curve(TRAINING_CURVE, [figures(point) for epoch in curve for point in epoch.points])
        tracker.metrics({"parameters": size})
        for path in (MODEL, LEARNING_CURVE, TRAINING_CURVE):
            tracker.file(path)
        if group.is_main:
            checkpoint.remove()


def checksums(architecture: ModelParams) -> dict[str, str]:
    """The SHA-256 of every file that training reads."""
    paths = [PROCESSED / part / f"{name}.npy" for part in ("train", "val") for name in ("strips", "sums")]
    paths += [Path(file) for file in (architecture.weights_file, architecture.init_from) if file]
    return {str(path): sha256(path) for path in paths}


def figures(row: Epoch | Point) -> dict[str, float]:
    """A row of a curve, by the names of its columns."""
    return {name: value for name, value in asdict(row).items() if name != "points"}


def write_curve(path: Path, rows: list[dict[str, float]]) -> None:
    with whole_file(path) as temporary, temporary.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    stage.run(main)
