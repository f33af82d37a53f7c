"""The precision of `fastest`: measured once, kept, and never slower than float32 by more than noise."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from digitsum.model import precision
from digitsum.model.architecture import SumModel
from digitsum.model.precision import is_faster_in_bfloat16
from digitsum.params.model import ModelParams
from digitsum.strips.dataset import Description

Timer = Callable[[float, float], list[str]]


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda device: device == "cpu")
    return tmp_path / "digitsum" / "precision.json"


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch) -> Timer:
    """Sets how long a pass takes in either precision; the list gets a line for each pass."""

    def passes(float32: float, bfloat16: float) -> list[str]:
        timed: list[str] = []

        def stand_in(model: SumModel, _: torch.Tensor) -> float:
            timed.append("bfloat16" if model.in_bfloat16 else "float32")
            return bfloat16 if model.in_bfloat16 else float32

        monkeypatch.setattr(precision, "_pass", stand_in)
        return timed

    return passes


@pytest.fixture
def model(tiny_model_params: ModelParams, description: Description) -> SumModel:
    torch.manual_seed(0)
    return SumModel(tiny_model_params, description)


@pytest.mark.parametrize(("bfloat16", "faster"), [(0.5, True), (0.96, True), (0.98, False), (1.0, False), (2.0, False)])
@pytest.mark.usefixtures("kept")
def test_the_faster_one_is_chosen(model: SumModel, take: Timer, bfloat16: float, faster: bool) -> None:
    take(1.0, bfloat16)
    assert is_faster_in_bfloat16(model) is faster


def test_the_choice_is_kept(model: SumModel, take: Timer, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    take(1.0, 0.5)
    assert is_faster_in_bfloat16(model)
    assert capsys.readouterr().out.count("timing bfloat16") == 1
    timed = take(1.0, 2.0)
    assert is_faster_in_bfloat16(model), "timed anew, and the result would differ from the one before"
    assert not timed
    kept.write_text("{")
    assert not is_faster_in_bfloat16(model), "a damaged file was believed"
    assert timed
    assert list(json.loads(kept.read_text()).values()) == [{"float32": 1.0, "bfloat16": 2.0}]


def test_other_architectures_and_threads_are_timed_for_themselves(
    model: SumModel, take: Timer, kept: Path, tiny_model_params: ModelParams, description: Description
) -> None:
    take(1.0, 0.5)
    assert is_faster_in_bfloat16(model)
    take(1.0, 2.0)
    assert not is_faster_in_bfloat16(SumModel(tiny_model_params.model_copy(update={"small_channels": 6}), description))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        assert not is_faster_in_bfloat16(model)
    finally:
        torch.set_num_threads(threads)
    assert is_faster_in_bfloat16(model)
    assert len(json.loads(kept.read_text())) == 3


def test_timing_changes_neither_the_model_nor_random_numbers(model: SumModel, kept: Path) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    is_faster_in_bfloat16(model)
    assert kept.exists()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.in_bfloat16
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_folder_that_cannot_be_written_is_a_note(
    model: SumModel, take: Timer, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept.parent.write_text("a file where the folder should be")
    take(1.0, 0.5)
    assert is_faster_in_bfloat16(model)
    assert "the times are not kept" in capsys.readouterr().out


def test_hardware_without_bfloat16_is_not_timed(
    model: SumModel, take: Timer, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda _: False)
    timed = take(1.0, 0.5)
    assert not is_faster_in_bfloat16(model)
    assert not timed
    assert not kept.exists()
