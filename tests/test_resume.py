"""A training that was killed at any step and resumed ends with the bits of one that was not killed."""

import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import files_no_larger_than
from samples import advance, expect_zeros, zeros_apart

from digitsum.errors import InputError
from digitsum.model import checkpoint as checkpoint_module
from digitsum.model.architecture import SumModel
from digitsum.model.checkpoint import Checkpoint
from digitsum.model.interruption import interruptible
from digitsum.model.learning_curve import Epoch
from digitsum.model.processes import ProcessGroup
from digitsum.model.training import Training, fit
from digitsum.params.model import ModelParams
from digitsum.params.train import RecomposeParams, TrainParams
from digitsum.strips.dataset import Description, Strips


@pytest.fixture(scope="module")
def strips() -> Strips:
    return zeros_apart(16)


@pytest.fixture(scope="module")
def start(
    strips: Strips,
    tiny_model_params: ModelParams,
    recipe: TrainParams,
    description: Description,
) -> Callable[[], Training]:
    """A training of three epochs of four steps with dropout, and with recomposed strips after the third step."""
    recompose = RecomposeParams(
        share=0.5, cut_at=(0.2,), strips=16, sure=0.05, hard=0.5, spacing=20, nearest=14, augment=recipe.augment
    )
    recipe = recipe.model_copy(update={"batch_size": 4, "epochs": 3, "dropout": 0.2, "recompose": recompose})

    def make() -> Training:
        torch.manual_seed(1)
        return Training(expect_zeros(SumModel(tiny_model_params, description)), strips, recipe, ProcessGroup())

    return make


@pytest.fixture(scope="module")
def never_killed(start: Callable[[], Training], strips: Strips) -> bytes:
    return advance(start(), strips, 12)


def saved(training: Training, folder: Path) -> Checkpoint:
    checkpoint = Checkpoint(folder, {"data": "these"})
    assert checkpoint.save(training.state_dict())
    return checkpoint


def test_glyphs_are_cut_at_their_step(start: Callable[[], Training], strips: Strips) -> None:
    training = start()
    advance(training, strips, 3)
    assert training.cuttings is None
    advance(training, strips, 4)
    assert training.cuttings is not None
    assert len(training.cuttings.digits) == 4 * 16
    assert (training.cuttings.digits == 0).all()


def test_last_step_of_an_epoch_is_of_that_epoch(start: Callable[[], Training], strips: Strips) -> None:
    training = start()
    epochs = [training.summary().split()[1]]
    for step in range(1, 6):
        while training.step < step:
            training.train_step()
        epochs.append(training.summary().split()[1])
        if training.at_epoch_end:
            training.end_epoch(strips)
    assert epochs == ["1", "1", "1", "1", "1", "2"]


@pytest.mark.parametrize("killed_after", [1, 3, 4, 6, 11, 12])
def test_resumes_bit_by_bit(
    start: Callable[[], Training], strips: Strips, never_killed: bytes, tmp_path: Path, killed_after: int
) -> None:
    first = start()
    advance(first, strips, killed_after)
    checkpoint = saved(first, tmp_path)
    second = start()
    torch.rand(7)  # whatever else happened in the new process
    state = checkpoint.load()
    assert state is not None
    second.load_state_dict(state)
    assert advance(second, strips, 12) == never_killed


PARTS = [
    *("model", "average", "optimizers", "shuffle_rng", "step_rng", "step", "shuffled"),
    *("totals", "marks", "cuttings", "curve"),
]


def test_parts_are_all_there_are(start: Callable[[], Training]) -> None:
    assert sorted(start().state_dict()) == sorted(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_the_state_is_needed(
    start: Callable[[], Training], strips: Strips, never_killed: bytes, tmp_path: Path, part: str
) -> None:
    first = start()
    advance(first, strips, 6)
    state: Any = saved(first, tmp_path).load()
    second = start()
    state[part] = second.state_dict()[part]
    second.load_state_dict(state)
    with suppress(ZeroDivisionError):  # without its marks, a point of the curve has no strips
        assert advance(second, strips, 12) != never_killed


def test_random_numbers_of_the_process_go_on(tmp_path: Path) -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    checkpoint = Checkpoint(tmp_path, {})
    checkpoint.save({})
    wanted = draw()
    assert draw() != wanted
    assert checkpoint.load() == {}
    assert draw() == wanted


def test_checkpoint_of_another_training_is_never_loaded(tmp_path: Path) -> None:
    Checkpoint(tmp_path, {"params": {"epochs": 3}, "data": "a"}).save({"step": 5})
    assert Checkpoint(tmp_path, {"params": {"epochs": 4}, "data": "a"}).load() is None
    assert Checkpoint(tmp_path, {"params": {"epochs": 3}, "data": "b"}).load() is None
    assert Checkpoint(tmp_path, {"data": "a", "params": {"epochs": 3}}).load() == {"step": 5}


@pytest.mark.parametrize("keep_bytes", [0, 10, 300])
def test_damaged_checkpoint_is_ignored(tmp_path: Path, keep_bytes: int, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = Checkpoint(tmp_path, {})
    checkpoint.save({"step": 5})
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:keep_bytes])
    assert checkpoint.load() is None
    assert "is damaged; starting from the first step" in capsys.readouterr().out


def test_full_disk_ends_no_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = Checkpoint(tmp_path, {})
    assert checkpoint.save({"step": 5})
    with files_no_larger_than(1000):
        assert not checkpoint.save({"step": 6})
    assert "cannot save a checkpoint" in capsys.readouterr().out
    assert checkpoint.load() == {"step": 5}


def test_folder_that_cannot_be_made_ends_no_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    checkpoint = Checkpoint(tmp_path / "file" / "checkpoints", {})
    assert not checkpoint.save({"step": 5})
    assert "cannot save a checkpoint" in capsys.readouterr().out
    checkpoint.remove()


def test_removing_removes_old_checkpoints_too(tmp_path: Path) -> None:
    ours, recent, old = (Checkpoint(tmp_path, {"number": number}) for number in range(3))
    for checkpoint in (ours, recent, old):
        checkpoint.save({})
    os.utime(old.path, (0, 0))
    half_written = tmp_path / f".{old.path.name}.1.tmp"
    half_written.touch()
    os.utime(half_written, (0, 0))
    ours.remove()
    assert list(tmp_path.iterdir()) == [recent.path]


def test_first_signal_asks_and_second_ends() -> None:
    before = signal.getsignal(signal.SIGINT)  # a shell's background job ignores it
    with interruptible() as interruption:
        assert not interruption
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption
        assert interruption.signal == signal.SIGTERM
        with pytest.raises(SystemExit) as end:
            os.kill(os.getpid(), signal.SIGINT)
        assert end.value.code == 130
    assert signal.getsignal(signal.SIGINT) is before


def test_interrupted_fit_saves_a_checkpoint_and_resumes(
    strips: Strips,
    tiny_model_params: ModelParams,
    recipe: TrainParams,
    description: Description,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = recipe.model_copy(update={"batch_size": 8, "epochs": 3})

    def trained(checkpoint: Checkpoint, report: Callable[[Epoch, float], None]) -> bytes:
        torch.manual_seed(1)
        averaged = fit(SumModel(tiny_model_params, description), strips, strips, recipe, report, checkpoint)
        return b"".join(tensor.numpy().tobytes() for tensor in averaged.state_dict().values())

    curve: list[Epoch] = []
    wanted = trained(Checkpoint(tmp_path / "other", {}), lambda row, _: curve.append(row))

    checkpoint = Checkpoint(tmp_path, {})
    with pytest.raises(SystemExit) as end:
        trained(checkpoint, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    assert end.value.code == 143
    assert "train: interrupted at step 2; run the same command to resume" in capsys.readouterr().out
    again: list[Epoch] = []
    assert trained(checkpoint, lambda row, _: again.append(row)) == wanted
    assert again == curve


def test_loss_that_is_not_finite_leaves_the_last_good_checkpoint(
    start: Callable[[], Training], strips: Strips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = start()
    advance(training, strips, 2)
    checkpoint = saved(training, tmp_path)
    good = checkpoint.path.read_bytes()
    broken = SumModel(training.model.params, Description(**{**training.model.data.__dict__, "std": 1e-45}))
    monkeypatch.setattr(checkpoint_module, "SHARE_OF_TIME", np.inf)  # so that a checkpoint is due after every step
    with pytest.raises(InputError, match="the loss is nan by step 3 of"):
        fit(broken, strips, strips, training.recipe, lambda *_: None, checkpoint)
    assert checkpoint.path.read_bytes() == good
