"""Training that was killed, wherever it was, ends with the bits of one that was not."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import advance, composed, files_no_larger_than

from digitsum.model import training as module
from digitsum.model.architecture import SumModel
from digitsum.model.processes import Workers
from digitsum.model.resume import Keeper, stopping
from digitsum.model.training import Epoch, Training, fit
from digitsum.params.model import ModelParams
from digitsum.params.train import RecomposeParams, TrainParams
from digitsum.strips.cutting import Cuttings
from digitsum.strips.dataset import Description, Strips
from digitsum.strips.sources.digits import sklearn_digits


class Killed(BaseException):
    """Nothing gets to tidy up."""


@pytest.fixture(scope="module")
def strips() -> Strips:
    return composed(16)


@pytest.fixture
def start(
    strips: Strips,
    tiny_model_params: ModelParams,
    recipe: TrainParams,
    description: Description,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], Training]:
    """A training of three epochs of four steps with dropout, from the third on with recomposed strips."""
    recompose = RecomposeParams(
        share=0.5, cut_at=(0.2,), strips=16, sure=0.9, hard=0.5, spacing=20, nearest=14, augment=recipe.augment
    )
    recipe = recipe.model_copy(update={"batch_size": 4, "epochs": 3, "dropout": 0.2, "recompose": recompose})
    glyphs = sklearn_digits()
    bank = Cuttings.weighted(glyphs.images[:50], glyphs.digits[:50], np.ones(50))
    monkeypatch.setattr(Training, "_cut", lambda _: bank)  # a model this young reads nothing

    def make() -> Training:
        torch.manual_seed(1)
        return Training(SumModel(tiny_model_params, description), strips, recipe, Workers())

    return make


def keep(training: Training, folder: Path) -> Keeper:
    keeper = Keeper(folder, {"data": "these"})
    keeper.save(training.state_dict())
    return keeper


def test_last_step_of_an_epoch_is_of_that_epoch(start: Callable[[], Training], strips: Strips) -> None:
    training = start()
    said = [training.figures().split()[1]]
    for step in range(1, 6):
        while training.step < step:
            training.learn()
        said.append(training.figures().split()[1])
        if training.at_epoch_end:
            training.end_epoch(strips)
    assert said == ["1", "1", "1", "1", "1", "2"]


@pytest.mark.parametrize("killed_after", [1, 3, 4, 6, 11, 12])
def test_goes_on_bit_by_bit(start: Callable[[], Training], strips: Strips, tmp_path: Path, killed_after: int) -> None:
    never_killed = advance(start(), strips, 12)
    first = start()
    advance(first, strips, killed_after)
    keeper = keep(first, tmp_path)
    second = start()
    torch.rand(7)  # whatever else happened in the new process
    state = keeper.load()
    assert state is not None
    second.load_state_dict(state)
    assert advance(second, strips, 12) == never_killed


PARTS = ["model", "average", "optimizers", "order", "chance", "step", "shuffled", "tally", "cuttings", "curve"]


def test_parts_are_all_there_are(start: Callable[[], Training]) -> None:
    assert sorted(start().state_dict()) == sorted(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_the_state_is_needed(
    start: Callable[[], Training], strips: Strips, tmp_path: Path, part: str
) -> None:
    never_killed = advance(start(), strips, 12)
    first = start()
    advance(first, strips, 6)
    state: Any = keep(first, tmp_path).load()
    second = start()
    state[part] = second.state_dict()[part]
    second.load_state_dict(state)
    assert advance(second, strips, 12) != never_killed


def test_random_numbers_of_the_process_go_on(tmp_path: Path) -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    keeper = Keeper(tmp_path, {})
    keeper.save({})
    wanted = draw()
    assert draw() != wanted
    assert keeper.load() == {}
    assert draw() == wanted


def test_state_of_others_is_never_taken_up(tmp_path: Path) -> None:
    Keeper(tmp_path, {"params": {"epochs": 3}, "data": "a"}).save({"step": 5})
    assert Keeper(tmp_path, {"params": {"epochs": 4}, "data": "a"}).load() is None
    assert Keeper(tmp_path, {"params": {"epochs": 3}, "data": "b"}).load() is None
    assert Keeper(tmp_path, {"data": "a", "params": {"epochs": 3}}).load() == {"step": 5}


@pytest.mark.parametrize("keep_bytes", [0, 10, 300])
def test_damaged_state_is_left_aside(tmp_path: Path, keep_bytes: int, capsys: pytest.CaptureFixture[str]) -> None:
    keeper = Keeper(tmp_path, {})
    keeper.save({"step": 5})
    keeper.path.write_bytes(keeper.path.read_bytes()[:keep_bytes])
    assert keeper.load() is None
    assert "is damaged; starting anew" in capsys.readouterr().out


def test_full_disk_ends_no_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keeper = Keeper(tmp_path, {})
    assert keeper.save({"step": 5})
    with files_no_larger_than(1000):
        assert not keeper.save({"step": 6})
    assert "the state cannot be kept" in capsys.readouterr().out
    assert keeper.load() == {"step": 5}


def test_folder_that_cannot_be_made_ends_no_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    keeper = Keeper(tmp_path / "file" / "unfinished", {})
    assert not keeper.save({"step": 5})
    assert "the state cannot be kept" in capsys.readouterr().out
    keeper.forget()


def test_forgetting_takes_old_ones_along(tmp_path: Path) -> None:
    ours, recent, old = (Keeper(tmp_path, {"number": number}) for number in range(3))
    for keeper in (ours, recent, old):
        keeper.save({})
    os.utime(old.path, (0, 0))
    half_written = tmp_path / f".{old.path.name}.1.tmp"
    half_written.touch()
    os.utime(half_written, (0, 0))
    ours.forget()
    assert list(tmp_path.iterdir()) == [recent.path]


def test_first_signal_asks_and_second_ends() -> None:
    before = signal.getsignal(signal.SIGINT)  # a shell's background job ignores it
    with stopping() as stop:
        assert not stop
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop
        assert stop.signal == signal.SIGTERM
        with pytest.raises(SystemExit) as end:
            os.kill(os.getpid(), signal.SIGINT)
        assert end.value.code == 130
    assert signal.getsignal(signal.SIGINT) is before


def test_fit_ends_with_its_state_saved_and_goes_on(
    strips: Strips,
    tiny_model_params: ModelParams,
    recipe: TrainParams,
    description: Description,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = recipe.model_copy(update={"batch_size": 8, "epochs": 3})

    def trained(keeper: Keeper, report: Callable[[Epoch, float], None]) -> bytes:
        torch.manual_seed(1)
        averaged = fit(SumModel(tiny_model_params, description), strips, strips, recipe, report, keeper)
        return b"".join(tensor.numpy().tobytes() for tensor in averaged.state_dict().values())

    curve: list[Epoch] = []
    wanted = trained(Keeper(tmp_path / "other", {}), lambda row, _: curve.append(row))

    keeper = Keeper(tmp_path, {})
    with pytest.raises(SystemExit) as end:
        trained(keeper, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    assert end.value.code == 143
    assert "train: stopped after step 2; the same command goes on" in capsys.readouterr().out
    again: list[Epoch] = []
    assert trained(keeper, lambda row, _: again.append(row)) == wanted
    assert again == curve


def test_loss_that_is_not_finite_leaves_the_last_good_state(
    start: Callable[[], Training], strips: Strips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = start()
    advance(training, strips, 2)
    keeper = keep(training, tmp_path)
    good = keeper.path.read_bytes()
    broken = SumModel(training.model.params, Description(**{**training.model.data.__dict__, "std": 1e-45}))
    monkeypatch.setattr(Keeper, "due", lambda _: True)
    monkeypatch.setattr(Keeper, "load", lambda _: None)
    with pytest.raises(module.InputError, match="the loss is nan by step 1 of"):
        fit(broken, strips, strips, training.recipe, lambda *_: None, keeper)
    assert keeper.path.read_bytes() == good
