"""A changed or missing file in DVC's cache is noticed before it is used."""

from pathlib import Path

import pytest
from conftest import change
from shell import call

from digitsum.checksums import checksum
from faults.pipeline import begin, finish, outcome, python

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
FILES = ("data/raw/images.npy", "data/processed/test/strips.npy", "models/model.safetensors", "reports/predictions.csv")


def in_cache(path: str) -> Path:
    md5 = checksum(Path(path))
    return Path(".dvc/cache/files/md5") / md5[:2] / md5[2:]


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)
    file.chmod(0o444)


def next_stage(project: Path, path: str) -> None:
    """Change a param of a stage that reads a file."""
    section, key, value = {
        "data/raw/images.npy": ("preprocess", "seed", 2),
        "data/processed/test/strips.npy": ("evaluate", "batch_size", 17),
        "models/model.safetensors": ("evaluate", "batch_size", 17),
        "reports/predictions.csv": ("confusion", "examples", 3),
    }[path]
    change(project, section, **{key: value})


@pytest.mark.parametrize("path", FILES)
def test_flipped_bit(path: str, made: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """DVC checks such a file out without a look at it. The next stage refuses it, and the way out works."""
    here = python(tmp_path_factory.mktemp("path"), cold=False)
    before = outcome()
    flip(in_cache(path))
    Path(path).unlink()
    call("dvc", "checkout", "--force", "-q")
    assert outcome()[path] != before[path]
    params = (made / "params.yaml").read_text()
    next_stage(made, path)
    assert begin("dvc", "repro", path=here).wait() != 0
    assert "python -m digitsum mend --cache" in Path("log").read_text()
    (made / "params.yaml").write_text(params)
    finish("python", "-m", "digitsum", "mend", "--cache", path=here)
    finish("dvc", "repro", path=here)
    assert outcome() == before


@pytest.mark.parametrize("path", FILES)
def test_missing_file(path: str, made: Path, tmp_path_factory: pytest.TempPathFactory) -> None:  # noqa: ARG001
    here = python(tmp_path_factory.mktemp("path"), cold=False)
    before = outcome()
    in_cache(path).unlink()
    Path(path).unlink()
    finish("dvc", "repro", path=here)
    assert outcome() == before
