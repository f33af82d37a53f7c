import json
import time
from contextlib import chdir
from pathlib import Path

import pytest
from conftest import Shared, lay

from faults.pipeline import Undisturbed, finish, outcome, python


@pytest.fixture
def undisturbed(repository: Path, shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """What a run makes to which nothing happens, and how long it takes with a warm Python."""
    return measured(repository, shared, tmp_path_factory.mktemp("path"), cold=False)


@pytest.fixture
def undisturbed_cold(repository: Path, shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return measured(repository, shared, tmp_path_factory.mktemp("path"), cold=True)


def measured(repository: Path, shared: Shared, folder: Path, cold: bool) -> Undisturbed:
    def build(file: Path) -> None:
        copy = folder / "copy"
        lay(repository, copy)
        with chdir(copy):
            start = time.monotonic()
            finish("dvc", "repro", path=python(folder, cold))
            seconds = time.monotonic() - start
            file.write_text(json.dumps(Undisturbed(outcome(), Path("dvc.lock").read_text(), seconds)._asdict()))

    return Undisturbed.read(shared(f"undisturbed-{'cold' if cold else 'warm'}.json", build))
