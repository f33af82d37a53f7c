"""dvc.yaml says what the stages import, and the stages together turn handwriting into a judged model."""

import csv
import hashlib
import json
import shutil
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT, change, digests, run

from digitsum.analysis.metrics import METRICS
from digitsum.commands.deps import with_code
from digitsum.dependencies import neighbors
from digitsum.errors import InputError
from digitsum.model.architecture import SumModel
from digitsum.model.model_file import read_model, write_model
from digitsum.model.prediction import predict
from digitsum.params.model import ModelParams
from digitsum.params.strip import StripParams
from digitsum.strips.dataset import Description, Strips
from stages import evaluate, preprocess


def test_deps_are_the_imports() -> None:
    """`make deps` would change nothing, and a result depends on its environment as well as on its code."""
    pipeline = (ROOT / "dvc.yaml").read_text()
    assert with_code(pipeline) == pipeline
    stages = yaml.safe_load(pipeline)["stages"]
    assert set(stages) == {file.stem for file in (ROOT / "stages").glob("*.py")} - {"__init__"}
    assert all("requirements.lock" in stage["deps"] for stage in stages.values())


def test_nouns_know_no_verbs_and_rooms_keep_their_order() -> None:
    """Imports go down alone: each room may use those after it here, and the ground floor."""
    order = {
        "strips": {"params", "strips"},
        "model": {"params", "strips", "model"},
        "analysis": {"params", "strips", "model", "analysis"},
        "reading": {"params", "strips", "model", "reading"},
        "tracking": {"tracking"},
        "params": {"params"},
    }
    for room, others in order.items():
        for file in sorted((ROOT / "digitsum" / room).rglob("*.py")):
            for path in neighbors(file):
                parts = path.relative_to(ROOT / "digitsum").parts
                assert len(parts) == 1 or parts[0] in others, f"{file.name} imports {path}"


def test_no_module_imports_itself_by_way_of_others() -> None:
    files = sorted((ROOT / "digitsum").rglob("*.py"))
    graph = {file: {path for path in neighbors(file) if path.name != "__init__.py"} for file in files}
    list(TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.slow
@pytest.mark.usefixtures("finished")
def test_twice_from_scratch_gives_the_same_bytes() -> None:
    first = digests("data", "models", "reports")
    for folder in ("data/raw", "data/processed", "models", "reports"):
        shutil.rmtree(folder)
    run()
    assert digests("data", "models", "reports") == first
    assert {"models/model.safetensors", "reports/predictions.csv", "reports/report.html"} <= first.keys()


@pytest.mark.slow
@pytest.mark.parametrize("head", ["columns", "direct"])
def test_what_comes_out(project: Path, head: str) -> None:
    change(project, "model", head=head)
    run()
    metrics = json.loads(Path("reports/metrics.json").read_text())
    analyzed = json.loads(Path("reports/confusion.json").read_text())
    reading = {"digit_accuracy", "reading_accuracy", "localisation_error"}
    only_sometimes = {"order_accuracy", "attributed", "attributed_low", "attributed_high", "overlap"}
    missing = METRICS.keys() - metrics.keys() - analyzed.keys() - only_sometimes
    assert missing == (set() if head == "columns" else reading)
    assert metrics.keys() | analyzed.keys() <= METRICS.keys()
    assert metrics["strips"] == 40
    rows = list(csv.DictReader(Path("reports/predictions.csv").read_text().splitlines()))
    assert sum(row["sum"] == row["predicted"] for row in rows) / 40 == pytest.approx(metrics["accuracy"])
    assert all(sum(map(int, row["digits"].split())) == int(row["sum"]) for row in rows)
    assert all(
        (len(row["read"].split()), len(row["centres"].split())) == ((4, 4) if head == "columns" else (0, 0))
        for row in rows
    )
    again = [row["read_given_sum"].split() for row in rows]
    assert all(not digits or sum(map(int, digits)) == int(row["sum"]) for row, digits in zip(rows, again, strict=True))
    matrix = np.loadtxt("reports/confusion/matrix.csv", delimiter=",", skiprows=1, dtype=int)[:, 1:]
    assert matrix.shape == (37, 37)
    assert matrix.trace() / matrix.sum() == pytest.approx(metrics["accuracy"])
    curve = list(csv.DictReader(Path("models/learning_curve.csv").read_text().splitlines()))
    assert [row["epoch"] for row in curve] == ["1", "2"]


@pytest.mark.usefixtures("finished")
def test_training_never_sees_the_truth() -> None:
    with_truth = digests("models")
    for part in ("train", "val", "test"):
        shutil.rmtree(Path("data/processed") / part / "truth")
    run("train")
    assert digests("models") == with_truth


@pytest.mark.slow
def test_the_same_strips_through_npy(project: Path) -> None:
    """Composed strips, written out in the original data set's form and read back, go to the end."""
    run("ingest", "preprocess")
    for number, part in enumerate(("train", "val", "test")):
        folder = Path("data/processed") / part
        shutil.copy(folder / "strips.npy", f"data/external/data{number}.npy")
        np.save(f"data/external/lab{number}.npy", np.load(folder / "sums.npy").astype(np.uint8))
    change(project, "ingest", source="npy")
    run()
    quality = json.loads(Path("reports/data/quality.json").read_text())
    assert quality["train_strips"] + quality["val_strips"] + quality["test_strips"] == 96 + 32 + 40
    assert not list(Path("data/processed").rglob("truth"))
    assert "digit_accuracy" not in json.loads(Path("reports/metrics.json").read_text())

    before = digests("data/processed")
    for other in ({"digits": 2}, {"width": 176}):  # and preprocess alone is run, by hand
        change(project, "strip", **{"digits": 4, "width": 168} | other)
        with pytest.raises(InputError, match=r"data/raw: strips of 40 x 168 with sums up to .* run dvc repro ingest"):
            run("preprocess")
    assert digests("data/processed") == before


@pytest.mark.slow
def test_other_strips(project: Path) -> None:
    """Nothing assumes four digits, 37 sums or 40 x 168 pixels."""
    change(project, "strip", digits=2, height=48, width=90)
    run()
    assert np.load("data/processed/train/strips.npy").shape == (96, 48, 90)
    assert np.loadtxt("reports/confusion/matrix.csv", delimiter=",", skiprows=1).shape == (19, 20)


def test_glyphs_too_few_to_split(project: Path) -> None:
    run("ingest")
    images, digits, reserved = (np.load(f"data/raw/{name}.npy") for name in ("images", "digits", "reserved"))
    manifest = json.loads(Path("data/raw/manifest.json").read_text())
    for name, array in (("images", images), ("digits", digits), ("reserved", reserved)):
        np.save(f"data/raw/{name}.npy", array[:25])
        manifest["sha256"][f"{name}.npy"] = hashlib.sha256(Path(f"data/raw/{name}.npy").read_bytes()).hexdigest()
    Path("data/raw/manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"too few glyphs to split: train gets \d+ of 25"):
        run("preprocess")
    assert not (project / "data" / "processed").exists()


def test_strips_without_anything_on_them_are_refused() -> None:
    black = Strips(np.zeros((5, 40, 168), np.uint8), np.zeros(5, np.int64))
    with pytest.raises(InputError, match="all pixels of the training strips are equal"):
        preprocess.describe("npy", StripParams(digits=4, height=40, width=168), black)


def test_model_of_other_strips_is_refused(finished: Path) -> None:
    shutil.rmtree("reports")
    change(finished, "preprocess", seed=2)
    run("preprocess")
    with pytest.raises(InputError, match=r"model\.safetensors: made for strips with mean"):
        run("evaluate")
    assert not Path("reports/metrics.json").exists()


def test_predictions_of_other_strips_are_refused(finished: Path) -> None:
    change(finished, "preprocess", test_strips=39)
    run("preprocess")
    with pytest.raises(InputError, match=r"not from this data/processed/test/strips\.npy"):
        run("confusion")


@pytest.mark.usefixtures("finished")
def test_predictions_of_another_model_are_refused() -> None:
    report = digests("reports")
    lines = Path("reports/predictions.csv").read_text()
    Path("reports/predictions.csv").write_text(lines.replace(",0.", ",1."))
    with pytest.raises(InputError, match=r"reports/predictions\.csv: changed since evaluate wrote it"):
        run("confusion")
    Path("reports/predictions.csv").write_text(lines)
    model = read_model(Path("models/model.safetensors"))
    model.temperature.fill_(3)
    write_model(model, Path("models/model.safetensors"))
    with pytest.raises(InputError, match=r"not from this models/model\.safetensors"):
        run("confusion")
    assert digests("reports") == report


def test_strip_too_narrow_is_refused_before_anything_is_written(project: Path) -> None:
    change(project, "strip", digits=5)
    with pytest.raises(InputError, match=r"strip\.width is 168, .* set strip\.width to 210 or more"):
        run("ingest")
    assert not (project / "data" / "raw").exists()


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_device_that_is_not_there_is_refused(finished: Path, name: str) -> None:
    change(finished, name, device="mps")  # of Apple alone
    with pytest.raises(InputError, match=rf"`{name}\.device` is 'mps', but this machine has only cpu"):
        run(name)


def test_reading_again_what_was_wrong_is_reading_all_again(
    tiny_model_params: ModelParams, description: Description, rng: np.random.Generator
) -> None:
    """Right by its sum and by its digits, by one of them, or by none; what an untrained model says is anything."""
    torch.manual_seed(0)
    model = SumModel(tiny_model_params, description)
    images = rng.integers(0, 256, (40, 40, 168), dtype=np.uint8)
    said = predict(model, images)
    likeliest, read = said.log_probability.argmax(axis=1), said.digits.sum(axis=1)
    for sums in (likeliest, read, np.where(rng.random(40) < 0.5, likeliest, 20)):
        again = evaluate.read_given_sum(model, said, Strips(images, sums), 40)
        expected = predict(model, images, sums=sums)
        assert (again.digits.sum(axis=1) == sums).all()
        assert np.array_equal(again.digits, expected.digits)
        assert np.array_equal(again.centres, expected.centres)
