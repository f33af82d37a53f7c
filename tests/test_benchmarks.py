"""Each script in benchmarks and each that draws for docs runs to its end, with as little to do as it can have."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import torch
from conftest import ROOT
from tracked import sync

pytestmark = pytest.mark.slow


def script(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def one_thread() -> object:
    yield
    torch.set_num_threads(1)


@pytest.mark.usefixtures("finished", "one_thread")
def test_predict_speed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark = script("benchmarks/predict_speed.py")
    monkeypatch.setattr(benchmark, "ROUNDS", 1)
    monkeypatch.setattr(benchmark, "SINGLES", 2)
    monkeypatch.setattr(sys, "argv", ["predict_speed", "--threads", "1", "--images", "10"])
    benchmark.main()
    said = capsys.readouterr().out
    assert said.count("images/s, the bare network") == 2
    assert said.count("a single ") == 2


@pytest.mark.usefixtures("finished", "one_thread")
def test_train_speed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark = script("benchmarks/train_speed.py")
    monkeypatch.setattr(benchmark, "ROUNDS", 1)
    monkeypatch.setattr(benchmark, "SIDE", {"cpu": 64})
    monkeypatch.setattr(sys, "argv", ["train_speed", "--device", "cpu", "--batch", "4"])
    benchmark.main()
    said = capsys.readouterr().out
    assert said.count("GFLOP/s of a matrix product") == 2
    assert said.count("of a step of the small net") == 4


@pytest.mark.usefixtures("finished")
def test_other_counts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark = script("benchmarks/other_counts.py")
    monkeypatch.setattr(benchmark, "STRIPS", 10)
    monkeypatch.setattr(benchmark, "COUNTS", (1, 4))
    benchmark.main(Path("models/model.safetensors"))
    assert [line.split(" |")[0] for line in capsys.readouterr().out.splitlines()[2:]] == ["| 1", "| 4"]


@pytest.mark.usefixtures("made")
def test_tracking_cost(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Of one more result; pairs of whole pipelines take too long."""
    monkeypatch.setattr(sys, "executable", shutil.which("python"))
    monkeypatch.setattr(sys, "argv", ["tracking_cost", "--pairs", "0", "--rows", "2"])
    script("benchmarks/tracking_cost.py").main()
    assert "one result more in a store of 2: " in capfd.readouterr().out


def test_draw_readings(finished: Path) -> None:
    table = pd.read_csv("reports/predictions.csv")
    table.loc[:20, "predicted"] = table["sum"]  # a tiny model may read none
    table.loc[30, "predicted"] = table.loc[30, "sum"] + 1
    table.to_csv("reports/predictions.csv", index=False)
    (finished / "docs").mkdir()
    script("docs/draw_readings.py").main()
    assert (finished / "docs" / "readings.png").stat().st_size > 10_000


@pytest.mark.usefixtures("page")
def test_draw_demo(finished: Path) -> None:
    script("docs/draw_demo.py").main()
    assert (finished / "docs" / "demo.png").stat().st_size > 10_000


@pytest.mark.usefixtures("page", "mlflow_server")
def test_draw_comparison(made: Path) -> None:
    sync()
    script("docs/draw_comparison.py").main()
    assert (made / "docs" / "comparison.png").stat().st_size > 10_000
