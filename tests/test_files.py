"""What is written is whole or absent."""

from pathlib import Path

import pytest

from digitsum.errors import InputError
from digitsum.files import whole_file, whole_folder, write_json
from digitsum.formats import read_json


class FaultError(Exception):
    pass


def write_half(path: Path) -> None:
    with whole_file(path) as temporary:
        temporary.write_text("half")
        raise FaultError


def write_half_folder(path: Path) -> None:
    with whole_folder(path) as folder:
        (folder / "a").write_text("half")
        raise FaultError


def test_interrupted_file_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(path, {"good": 1})
    with pytest.raises(FaultError):
        write_half(path)
    assert read_json(path) == {"good": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_interrupted_folder_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "results"
    with whole_folder(path) as folder:
        (folder / "a").write_text("old")
    with pytest.raises(FaultError):
        write_half_folder(path)
    assert (path / "a").read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["results"]
    with whole_folder(path) as folder:
        (folder / "b").write_text("new")
    assert [file.name for file in path.iterdir()] == ["b"]


@pytest.mark.parametrize("text", ["", "{", "[1,"])
def test_damaged_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"metrics\.json: not readable as JSON"):
        read_json(path)
