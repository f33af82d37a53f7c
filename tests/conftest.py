import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from shell import call

from digitsum.model.architecture import SumModel
from digitsum.model.training import Training
from digitsum.params.loader import Params, read_params
from digitsum.params.model import ModelParams
from digitsum.params.train import TrainParams
from digitsum.strips.compose import Layout, compose
from digitsum.strips.dataset import Description, Strips
from digitsum.strips.sources.digits import sklearn_digits

ROOT = Path(__file__).parent.parent
torch.set_num_threads(1)

TINY = {
    "preprocess": {"train_strips": 96, "val_strips": 32, "test_strips": 40},
    "model": {"small_channels": 4},
    "train": {"epochs": 2, "batch_size": 16, "threads": 1},
    "evaluate": {"threads": 1},
}


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a runner's or a user's, nor the store that MLflow leaves in the environment for processes it starts."""
    for name in list(os.environ):
        if name in {"CI", "BRANCH"} or name.startswith(("CI_", "GITHUB_", "DVC_", "MLFLOW_", "DIGITSUM_", "GIT_")):
            monkeypatch.delenv(name)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def given() -> dict:
    """What params.yaml of the project says, to be changed and written."""
    return yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.fixture
def project(tmp_path: Path, given: dict, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project in a folder of its own, with tiny params, as the current directory; tracking is off."""
    for name in ("dvc.yaml", "requirements.lock", "digitsum", "stages"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    for name in ("external", "initial"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for section, values in TINY.items():
        given[section].update(values)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(given))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIGITSUM_TRACKING", "off")
    return tmp_path


@pytest.fixture
def repository(project: Path) -> Path:
    for name in ("external", "initial"):
        shutil.copy(ROOT / "data" / name / "README.md", project / "data" / name)
    call("git", "init", "-q")
    call("git", "config", "user.email", "a@example.org")
    call("git", "config", "user.name", "A")
    call("dvc", "init", "-q")
    call("dvc", "config", "core.analytics", "false")
    shutil.copy(ROOT / ".gitignore", project / ".gitignore")
    shutil.copy(ROOT / ".dvcignore", project / ".dvcignore")
    call("git", "add", "-A")
    call("git", "commit", "-qm", "first")
    return project


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As on a full disk, writing beyond so many bytes fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def change(project: Path, section: str, **values: object) -> None:
    """Changes keys of a section of the project's params.yaml."""
    params = yaml.safe_load((project / "params.yaml").read_text())
    params[section].update(values)
    (project / "params.yaml").write_text(yaml.safe_dump(params))


def composed(count: int) -> Strips:
    """Strips as the default composes them, the same every time."""
    layout = Layout(4, 40, 168, first_left=(0, 14), next_left=(14, 42), top=(0, 12))
    return compose(sklearn_digits(), layout, count, np.random.default_rng(0))[0]


def zeros_apart(count: int) -> Strips:
    """Strips of four zeros each, none of which touches another; their sums are 0."""
    glyphs, rng = sklearn_digits(), np.random.default_rng(0)
    zeros = rng.choice(glyphs.images[glyphs.digits == 0], (count, 4))
    images = np.zeros((count, 40, 168), np.uint8)
    for number, left in enumerate((5, 45, 85, 125)):
        images[:, 6:34, left : left + 28] = zeros[:, number]
    return Strips(images, np.zeros(count, np.int64))


def expect_zeros(model: SumModel) -> SumModel:
    """Give an untrained model's head the bias to read every digit as 0, so that it reads `zeros_apart` right."""
    with torch.no_grad():
        model.head.beliefs.bias[0] += 4
    return model


def advance(training: Training, strips: Strips, until: int) -> bytes:
    """The averaged weights and the curve after so many steps."""
    while training.step < until:
        training.train_step()
        if training.at_epoch_end:
            training.end_epoch(strips)
    tensors = (tensor.cpu().numpy().tobytes() for tensor in training.averaged.state_dict().values())
    return b"".join(tensors) + repr([row for row, _ in training.curve]).encode()


@pytest.fixture
def params() -> Params:
    return read_params(ROOT / "params.yaml")


@pytest.fixture
def tiny_model_params(params: Params) -> ModelParams:
    return params[ModelParams].model_copy(update={"small_channels": 4})


@pytest.fixture
def recipe(params: Params) -> TrainParams:
    return params[TrainParams].model_copy(update={"threads": 1, "batch_size": 16, "epochs": 1})


@pytest.fixture
def description() -> Description:
    return Description("digits", digits=4, height=40, width=168, mean=0.14, std=0.25)
