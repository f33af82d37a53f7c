"""`python -m digitsum predict`, as a person uses it."""

import csv
import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from digitsum.__main__ import main
from digitsum.errors import InputError
from digitsum.model import prediction
from digitsum.model.architecture import SumModel
from digitsum.model.model_file import write_model
from digitsum.params.loader import Params
from digitsum.params.model import ModelParams
from digitsum.params.preprocess import PreprocessParams
from digitsum.params.strip import StripParams
from digitsum.reading.fitting import to_strip
from digitsum.reading.predict import COLUMNS, predict
from digitsum.reading.reader import AUTO_OPTION, Answer, Reader
from digitsum.strips.compose import Layout, compose
from digitsum.strips.dataset import Description
from digitsum.strips.sources.digits import sklearn_digits

COUNT = 12


@pytest.fixture
def strips(params: Params) -> np.ndarray:
    layout = Layout.of(params[StripParams], params[PreprocessParams])
    return compose(sklearn_digits(), layout, COUNT, np.random.default_rng(0))[0].images


@pytest.fixture
def model(tiny_model_params: ModelParams, description: Description) -> SumModel:
    """Untrained; after a step of its normalisation layers it tells strips apart."""
    torch.manual_seed(0)
    return SumModel(tiny_model_params, description)


@pytest.fixture
def file(tmp_path: Path, model: SumModel) -> Path:
    write_model(model, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def answers(
    capsys: pytest.CaptureFixture[str], files: list[str], model: Path, refused: int = 0, **words: object
) -> list[dict]:
    given = {"form": "json", "draw": None, "batch_size": 5, "count": None, "device": "cpu", "threads": 1} | words
    assert predict(files, model, **given) == refused
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_strips_are_read_as_evaluate_reads_them(
    tmp_path: Path, file: Path, model: SumModel, strips: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    """From any kind of file, in order, bit by bit."""
    said = prediction.predict(model, strips, batch_size=5)
    sums = said.log_probability.argmax(axis=1)
    expected = [
        (int(total), round(float(np.exp(np.float64(log.max()))), 6), digits.tolist(), centres.tolist())
        for total, log, digits, centres in zip(sums, said.log_probability, said.digits, said.centres, strict=True)
    ]
    np.save(tmp_path / "all.npy", strips)
    pictures = [str(tmp_path / f"{number}.png") for number in range(COUNT)]
    for name, strip in zip(pictures, strips, strict=True):
        Image.fromarray(strip).save(name)
    for files in ([str(tmp_path / "all.npy")], pictures):
        rows = answers(capsys, files, file)
        assert [(row["sum"], row["probability"], row["digits"], row["positions"]) for row in rows] == expected
        assert [row["file"] for row in rows] == (pictures if files == pictures else files * COUNT)
        assert [row["index"] for row in rows] == ([0] * COUNT if files == pictures else list(range(COUNT)))


@pytest.mark.slow
def test_bad_files_are_named_and_the_rest_is_answered(
    tmp_path: Path, file: Path, strips: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line each, whatever is wrong; exit code 1."""
    monkeypatch.chdir(tmp_path)
    some = strips[:3].copy()
    some[1] = 0
    np.save("some.npy", some)
    Image.fromarray(strips[0]).save("good.png")
    Image.fromarray(np.zeros((40, 168), np.uint8)).save("black.png")
    Image.new("1", (14000, 14000)).save("bomb.png")
    Path("text.jpg").write_text("hello")
    Path("empty.npy").touch()
    Path("folder").mkdir()
    files = ["black.png", "some.npy", "bomb.png", "text.jpg", "empty.npy", "folder", "missing.png", "good.png", "-"]
    done = subprocess.run(
        [str(shutil.which("python")), "-m", "digitsum", "predict", *files, "--model", str(file), "--threads", "1"],
        input=Path("good.png").read_bytes(),
        capture_output=True,
        check=False,
        env={"PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert done.returncode == 1
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert [(row["file"], row["index"]) for row in rows] == [
        ("some.npy", "0"),
        ("some.npy", "2"),
        ("good.png", "0"),
        ("-", "0"),
    ]
    assert {name: value for name, value in rows[2].items() if name != "file"} == {
        name: value for name, value in rows[3].items() if name != "file"
    }
    lines = done.stderr.decode().splitlines()
    assert all(line.startswith("error: ") for line in lines)
    named = ["black.png: ", "some.npy[1]: ", "bomb.png: ", "text.jpg: ", "empty.npy: ", "folder: ", "missing.png: "]
    assert [line[7:].startswith(name) for line, name in zip(lines, named, strict=True)] == [True] * len(named)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "no.safetensors"], "error: no.safetensors: no such file; dvc repro train writes it"),
        (["--draw", "file"], "error: file: cannot be made (File exists); name a folder for the pictures"),
    ],
)
def test_command_line_refuses_in_one_line(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    monkeypatch.setattr(sys, "argv", ["digitsum", "predict", "x.png", "--model", str(file), *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert str(end.value).startswith(said)
    assert "\n" not in str(end.value)


def test_other_widths_and_counts(model: SumModel, strips: np.ndarray) -> None:
    """A mixture is answered in order, each as it would be alone, its probability up to rounding."""
    wide = np.concatenate([strips[:2], strips[2:4]], axis=2)
    mixture = [wide[0], strips[5], wide[1], 255 - strips[6]]
    reader = Reader(model, count=8)
    forms = [to_strip(image, reader.format) for image in mixture]
    together = reader.read(forms)
    for form, answer in zip(forms, together, strict=True):
        (alone,) = reader.read([form])
        # on some processors a float32 layer rounds otherwise in a batch of another size
        assert alone.probability == pytest.approx(answer.probability, rel=1e-5)
        assert [share for _, share in alone.likeliest] == pytest.approx(
            [share for _, share in answer.likeliest], rel=1e-5
        )
        assert replace(alone, probability=answer.probability, likeliest=answer.likeliest) == answer
    for answer, image in zip(together, mixture, strict=True):
        assert isinstance(answer, Answer)
        assert len(answer.digits) == len(answer.positions) == 8
        assert sorted(answer.positions) == answer.positions
        assert 0 <= answer.positions[0] <= answer.positions[-1] < image.shape[1]
    said = prediction.predict(model.for_strips(8, 336), wide[:1])
    assert together[0].sum == said.log_probability.argmax()
    assert together[0].digits == said.digits[0].tolist()
    (impossible,) = Reader(model, count=30).read(forms[1:2])  # more than its columns
    assert str(impossible) == f"not 30 digits, more likely {likeliest_count(model, strips[5])}; {AUTO_OPTION}"


def likeliest_count(model: SumModel, strip: np.ndarray) -> int:
    return int(prediction.predict_counts(model, strip[None], 21).argmax())


def with_bias_to_blank(model: SumModel, more: float) -> SumModel:
    """The model with columns that are more often blank, so that it counts fewer digits."""
    with torch.no_grad():
        model.head.beliefs.bias[10] += more
    return model


def test_numbers_of_digits_that_cannot_be_are_refused(
    tmp_path: Path, model: SumModel, strips: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    """P(4 digits) underflows, so there is no likeliest sum: no row, and one line on standard error."""
    Image.fromarray(strips[0]).save(tmp_path / "x.png")
    Image.fromarray(255 - strips[0]).save(tmp_path / "y.png")
    write_model(with_bias_to_blank(model, 6), tmp_path / "model.safetensors")
    given = {"form": "csv", "draw": None, "batch_size": 5, "device": "cpu", "threads": 1}
    files = [str(tmp_path / "x.png"), str(tmp_path / "y.png")]
    assert predict(files, tmp_path / "model.safetensors", count=None, **given) == 2
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [",".join(COLUMNS)]
    assert printed.err.splitlines() == [
        f"error: {file}: not 4 digits, more likely none; {AUTO_OPTION}" for file in files
    ]


def test_probabilities_are_those_of_all_that_is_not_known(model: SumModel, strips: np.ndarray) -> None:
    """Unless the number of digits is given, its probability counts; `evaluate` takes it as given."""
    photograph = to_strip(255 - strips[0], Reader(model).format)
    assert photograph.views
    (assumed,), (given,) = Reader(model).read([photograph]), Reader(model, 4).read([photograph])
    views = (photograph, *photograph.views)
    count = np.mean([np.exp(prediction.predict_counts(model, view.image[None], 21)[0, 4]) for view in views])
    assert isinstance(assumed, Answer)
    assert isinstance(given, Answer)
    assert assumed.sum == given.sum
    assert assumed.probability == pytest.approx(count * given.probability, rel=1e-4)
    each = [np.exp(prediction.predict(model, view.image[None]).log_probability[0]) for view in views]
    assert given.probability == pytest.approx(np.mean(each, axis=0).max(), rel=1e-4)
    for answer in (assumed, given):
        assert answer.likeliest[0][0] == answer.sum
        shares = [share for _, share in answer.likeliest]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] == answer.probability
        assert len(shares) == 3


def test_count_left_to_the_model(model: SumModel, strips: np.ndarray) -> None:
    strips, reader = strips[:3], Reader(model, "auto")
    forms = [to_strip(image, reader.format) for image in strips]
    log_count = prediction.predict_counts(model, strips, 21)
    for answer, count, image in zip(reader.read(forms), log_count.argmax(axis=1), strips, strict=True):
        assert isinstance(answer, Answer)
        assert len(answer.digits) == count
        sure = np.exp(log_count.max(axis=1))[0]
        said = prediction.predict(model.for_strips(int(count), 168), image[None])
        assert answer.sum == said.log_probability.argmax()
        assert answer.probability <= sure * np.exp(said.log_probability.max()) * 1.5
    with torch.no_grad():
        model.head.beliefs.bias[10] += 100
    refused = reader.read(forms[:1])[0]
    assert isinstance(refused, InputError)
    assert str(refused) == "the model reads no digits on it"


@pytest.mark.parametrize("count", [-1, 0, 101])
def test_counts_that_no_strip_holds_are_refused(model: SumModel, count: int) -> None:
    with pytest.raises(InputError, match=f"{count} digits on a strip: 1 to 100 can be read"):
        Reader(model, count)


@pytest.mark.parametrize("head", ["direct", "slots", "multi_label"])
def test_other_heads_say_what_they_know(
    tiny_model_params: ModelParams, description: Description, strips: np.ndarray, head: str
) -> None:
    model = SumModel(tiny_model_params.model_copy(update={"head": head}), description)
    reader = Reader(model)
    (answer,) = reader.read([to_strip(255 - strips[0], reader.format)])
    assert isinstance(answer, Answer)
    assert (answer.digits is not None) == (head == "slots")
    assert answer.positions is None
    with pytest.raises(InputError, match=f"the head {head} reads 4 digits and no other number"):
        Reader(model, 5)


def test_pictures(tmp_path: Path, file: Path, strips: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    """The image is in it, enlarged, with something written above and below; names do not collide."""
    np.save(tmp_path / "x.npy", strips[:2])
    Image.fromarray(strips[2]).save(tmp_path / "x.png")
    answers(capsys, [str(tmp_path / "x.npy"), str(tmp_path / "x.png")], file, draw=tmp_path / "drawn")
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["x-2.png", "x-3.png", "x.png"]
    with pytest.raises(InputError, match=r"x\.png, which a picture could overwrite"):
        answers(capsys, [str(tmp_path / "x.png")], file, draw=tmp_path)
    for name, strip in zip(("x", "x-2", "x-3"), strips, strict=False):
        picture = np.asarray(Image.open(tmp_path / "drawn" / f"{name}.png"))
        height, width, _ = picture.shape
        left, top = (width - 672) // 2, (height - 160) // 2
        assert np.array_equal(picture[top + 2 : -top : 4, left + 2 : -left : 4, 0], strip)
        assert (picture[:top] < 200).any()
        assert (picture[-top:] < 200).any()
