"""Files from outside are refused in one line that names the file, or come through unchanged."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import change

from digitsum.errors import InputError
from digitsum.files import sha256
from digitsum.strips import raw
from digitsum.strips.dataset import Strips
from digitsum.strips.glyphs import Glyphs
from digitsum.strips.sources.digits import sklearn_digits
from digitsum.strips.sources.mnist import from_mnist
from digitsum.strips.sources.npy import from_npy
from stages import ingest

COUNT = 12


def write_pair(folder: Path, number: int = 0) -> None:
    rng = np.random.default_rng(number)
    images = np.zeros((COUNT, 40, 168), np.uint8)
    images[:, 1:-1, 1:-1] = rng.integers(0, 256, (COUNT, 38, 166), dtype=np.uint8)
    np.save(folder / f"data{number}.npy", images)
    np.save(folder / f"lab{number}.npy", rng.integers(0, 37, COUNT, dtype=np.uint8))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def save(path: Path, array: np.ndarray) -> None:
    np.save(path, array, allow_pickle=True)


IMAGES = np.zeros((COUNT, 40, 168), np.uint8)
FAULTS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "missing": (lambda d: [p.unlink() for p in d.glob("*.npy")], "external", "no data0.npy"),
    "no labels": (lambda d: (d / "lab0.npy").unlink(), "lab0.npy", "data0.npy is there"),
    "no images": (lambda d: (d / "data0.npy").unlink(), "data0.npy", "lab0.npy is there"),
    "numbered otherwise": (lambda d: np.save(d / "data01.npy", IMAGES), "data01.npy", "not data0.npy, data1.npy or so"),
    "not numbered": (lambda d: np.save(d / "lab.npy", np.zeros(3)), "lab.npy", "not lab0.npy, lab1.npy or so"),
    "numbered in another script": (
        lambda d: np.save(d / "data1\N{ARABIC-INDIC DIGIT THREE}.npy", IMAGES),
        "data1",
        "not data0.npy, data1.npy or so",
    ),
    "empty file": (lambda d: (d / "data0.npy").write_bytes(b""), "data0.npy", "empty"),
    "truncated": (lambda d: truncate(d / "data0.npy"), "data0.npy", "truncated"),
    "not npy": (lambda d: (d / "data0.npy").write_text("hello"), "data0.npy", "not a .npy file"),
    "an npz": (
        lambda d: [np.savez(d / "data0.npz", IMAGES), (d / "data0.npz").rename(d / "data0.npy")],
        "data0.npy",
        "not a .npy file",
    ),
    "a folder": (lambda d: [(d / "lab0.npy").unlink(), (d / "lab0.npy").mkdir()], "lab0.npy", "cannot be read"),
    "objects": (lambda d: save(d / "data0.npy", np.array([{}], object)), "data0.npy", "never unpickled"),
    "absurd header": (
        lambda d: (d / "data0.npy").write_bytes(
            b"\x93NUMPY\x01\x00\x76\x00"
            + b"{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999999, 40, 168), }".ljust(118)
        ),
        "data0.npy",
        "truncated",
    ),
    "no images in it": (lambda d: save(d / "data0.npy", IMAGES[:0]), "data0.npy", ""),
    "rank": (lambda d: save(d / "data0.npy", IMAGES[0]), "data0.npy", "(40, 168)"),
    "size": (lambda d: save(d / "data0.npy", IMAGES[:, :, 1:]), "data0.npy", "(12, 40, 167)"),
    "0..1": (lambda d: save(d / "data0.npy", IMAGES + np.float32(0.5)), "data0.npy", "in 0..1"),
    "floats": (lambda d: save(d / "data0.npy", IMAGES + 100.0), "data0.npy", "float64"),
    "NaN": (lambda d: save(d / "data0.npy", IMAGES * np.nan), "data0.npy", "NaN"),
    "inverted": (lambda d: save(d / "data0.npy", 255 - np.load(d / "data0.npy")), "data0.npy", "save 255 - data"),
    "faint": (
        lambda d: save(d / "data0.npy", np.load(d / "data0.npy") // 3),
        "data0.npy",
        "ink of at most 85 (stretch",
    ),
    "0 and 1": (lambda d: save(d / "data0.npy", np.load(d / "data0.npy") // 128), "data0.npy", "(multiply by 255)"),
    "black": (
        lambda d: save(d / "data0.npy", IMAGES),
        "data0.npy",
        "a black image (leave it and its label out) at row 0",
    ),
    "dtype": (lambda d: save(d / "data0.npy", IMAGES.astype(np.int32)), "data0.npy", "int32"),
    "counts": (
        lambda d: save(d / "lab0.npy", np.zeros(COUNT - 1, np.uint8)),
        "lab0.npy",
        "11 labels for the 12 images",
    ),
    "too high": (
        lambda d: save(d / "lab0.npy", np.full(COUNT, 37)),
        "lab0.npy",
        "label 37 at row 0, 12 such labels in all",
    ),
    "negative": (lambda d: save(d / "lab0.npy", np.full(COUNT, -1)), "lab0.npy", "label -1 at row 0"),
    "NaN labels": (lambda d: save(d / "lab0.npy", np.full(COUNT, np.nan)), "lab0.npy", "NaN"),
    "text labels": (lambda d: save(d / "lab0.npy", np.full(COUNT, "1")), "lab0.npy", "<U1"),
    "label rank": (lambda d: save(d / "lab0.npy", np.zeros((COUNT, 1), int)), "lab0.npy", "(12, 1)"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_npy_is_refused_and_nothing_is_written(project: Path, fault: str) -> None:
    spoil, file, words = FAULTS[fault]
    folder = project / "data" / "external"
    write_pair(folder)
    spoil(folder)
    change(project, "ingest", source="npy")
    with pytest.raises(InputError) as refused:
        ingest.main()
    message = str(refused.value)
    assert file in message
    assert words in message
    assert "\n" not in message
    assert sorted(path.name for path in (project / "data").iterdir()) == ["external", "initial"]


def test_npy_round_trip(tmp_path: Path) -> None:
    for number in (0, 2, 10):
        write_pair(tmp_path, number)
    arrived = from_npy(tmp_path, digits=4, height=40, width=168)
    (tmp_path / "raw").mkdir()
    raw.write(arrived, tmp_path / "raw")
    back = raw.read(tmp_path / "raw")
    assert isinstance(back.content, Strips)
    order = [np.load(tmp_path / f"data{number}.npy") for number in (0, 2, 10)]
    assert (back.content.images == np.concatenate(order)).all()
    assert list(back.origin["files"]) == [f"{name}{n}.npy" for n in (0, 2, 10) for name in ("data", "lab")]


def test_digits_round_trip(tmp_path: Path) -> None:
    arrived = raw.Raw("digits", sklearn_digits(), {})
    raw.write(arrived, tmp_path)
    back = raw.read(tmp_path)
    assert isinstance(back.content, Glyphs)
    assert len(back.content) == 1797
    assert back.content.images.max() == 255
    for name in raw.GLYPH_FILES:
        assert (getattr(back.content, name) == getattr(arrived.content, name)).all()


def test_changed_raw_data_is_refused(tmp_path: Path) -> None:
    raw.write(raw.Raw("digits", sklearn_digits(), {}), tmp_path)
    np.save(tmp_path / "digits.npy", np.load(tmp_path / "digits.npy")[::-1])
    with pytest.raises(InputError, match=r"digits\.npy: missing, or changed"):
        raw.read(tmp_path)


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(header + array.tobytes())


@pytest.fixture
def mnist_root(tmp_path: Path) -> Path:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", 60), ("t10k", 20)):
        write_idx(folder / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", (np.arange(count) % 10).astype(np.uint8))
    return tmp_path


def test_mnist_keeps_its_test_part_for_testing(mnist_root: Path) -> None:
    arrived = from_mnist(mnist_root)
    assert isinstance(arrived.content, Glyphs)
    assert arrived.content.reserved.tolist() == [False] * 60 + [True] * 20
    assert len(arrived.origin["files"]) == 4


@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_damaged_mnist_is_refused(mnist_root: Path, file: str) -> None:
    path = mnist_root / "MNIST" / "raw" / file
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(InputError, match="MNIST"):
        from_mnist(mnist_root)


@pytest.mark.parametrize("form", ["plain", "beside", "dotted", "compressed"])
def test_other_names_of_mnist_are_the_same_data(mnist_root: Path, form: str) -> None:
    wanted = from_mnist(mnist_root)
    raw_folder = mnist_root / "MNIST" / "raw"
    for file in list(raw_folder.iterdir()):
        if form == "beside":
            file.rename(mnist_root / file.name)
        elif form == "dotted":
            file.rename(file.with_name(file.name.replace("-idx", ".idx")))
        elif form == "compressed":
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    arrived = from_mnist(mnist_root)
    assert arrived.origin == wanted.origin
    for name in raw.GLYPH_FILES:
        assert np.array_equal(getattr(arrived.content, name), getattr(wanted.content, name))


def test_checksums_are_those_of_the_files(mnist_root: Path) -> None:
    files = (mnist_root / "MNIST" / "raw").iterdir()
    assert from_mnist(mnist_root).origin == {"files": {file.name: sha256(file) for file in sorted(files)}}


def test_incomplete_mnist_names_the_missing_file(mnist_root: Path) -> None:
    (mnist_root / "MNIST" / "raw" / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match="but no train-labels-idx1-ubyte"):
        from_mnist(mnist_root)


def test_wrong_root_of_mnist_leaves_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["http://127.0.0.1:9/"])
    monkeypatch.setenv("HOME", str(project / "home"))
    change(project, "ingest", source="mnist", mnist_root="~/mnist")
    before = sorted(project.iterdir())
    with pytest.raises(InputError, match="home/mnist: MNIST is not there, nor can it be downloaded"):
        ingest.main()
    left = {path.name for path in set(project.iterdir()) - set(before)}
    assert left <= {".digitsum"}
    assert not list(project.rglob("MNIST"))


def test_folder_that_cannot_be_written(project: Path) -> None:
    for name in ("external", "initial"):
        (project / "data" / name).rmdir()
    (project / "data").rmdir()
    (project / "data").write_text("in the way")
    with pytest.raises(InputError, match="data: cannot be"):
        ingest.main()
