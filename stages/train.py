"""Trains a model on strips and their sums, and nothing else."""

import csv
from dataclasses import asdict, fields
from pathlib import Path

import torch

from digitsum import stage
from digitsum.files import code_digest, repository_root, sha256, whole_file
from digitsum.model.devices import describe, prepare
from digitsum.model.network import SumModel
from digitsum.model.parallel import launch, workers
from digitsum.model.params import ModelParams, TrainParams
from digitsum.model.resume import Keeper
from digitsum.model.training import Epoch, fit
from digitsum.params import read_params
from digitsum.strips.dataset import Description, Strips
from digitsum.tracking.tracker import tracked

PROCESSED = Path("data/processed")
MODEL = Path("models/model.safetensors")
CURVE = Path("models/learning_curve.csv")
UNFINISHED = Path(".digitsum/unfinished")  # beside the outs, which DVC deletes before the stage runs


def main() -> None:
    params = read_params()
    architecture, recipe = params[ModelParams], params[TrainParams]
    launch("stages.train", recipe.processes, recipe.threads)
    device = prepare(recipe.device, recipe.threads, "train.device", recipe.arithmetic)
    with workers(device) as team, tracked("train", team.first) as tracker:
        tracker.params("model", architecture.model_dump())
        tracker.params("train", recipe.model_dump())
        tracker.data(PROCESSED, "training")
        machine = describe(device) | {"processes": str(team.count)}
        tracker.tags(machine)
        description = Description.read(PROCESSED / "dataset.json")
        train, val = (Strips.read(PROCESSED / part) for part in ("train", "val"))

        torch.manual_seed(recipe.seed)
        model = SumModel(architecture, description).to(device)
        size = sum(parameter.numel() for parameter in model.parameters())
        where = f"{team.count} x {device}" if team.count > 1 else device
        print(f"train: {architecture.head} on {architecture.backbone}, {size:,} parameters, on {where}", flush=True)
        sources = [PROCESSED / part / f"{name}.npy" for part in ("train", "val") for name in ("strips", "sums")]
        sources += [Path(file) for file in (architecture.weights_file, architecture.init_from) if file]
        data = {str(path): sha256(path) for path in sources}
        settings = {"model": architecture.model_dump(), "train": recipe.model_dump(), "data": asdict(description)}
        code = [code_digest(), sha256(Path(__file__))]
        keeper = Keeper(repository_root() / UNFINISHED, {"files": data, "code": code, **settings, **machine})
        curve: list[Epoch] = []

        def report(epoch: Epoch, strips_per_second: float) -> None:
            curve.append(epoch)
            figures = {name: value for name, value in asdict(epoch).items() if name != "epoch"}
            tracker.metrics(figures | {"strips_per_second": strips_per_second}, step=epoch.epoch)

        averaged = fit(model, train, val, recipe, report, keeper, team)

        if team.first:
            averaged.trained_on = {"source": description.source, "files": data, "recipe": recipe.model_dump()}
            averaged.write(MODEL)
            write_curve(CURVE, curve)

        tracker.metrics({"parameters": size})
        tracker.file(MODEL)
        tracker.file(CURVE)
        if team.first:
            keeper.forget()


def write_curve(path: Path, curve: list[Epoch]) -> None:
    with whole_file(path) as temporary, temporary.open("w", newline="") as file:
        rows = csv.DictWriter(file, [field.name for field in fields(Epoch)], lineterminator="\n")
        rows.writeheader()
        rows.writerows(asdict(epoch) for epoch in curve)


if __name__ == "__main__":
    stage.run(main)
