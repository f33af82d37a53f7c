"""Whatever a file holds, it is refused in one line that names it, quickly, in little memory; or it is read."""

import io
import json
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import malformed
import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from digitsum.analysis import predictions
from digitsum.errors import InputError, plain
from digitsum.formats import read_array, read_figures, read_idx, read_json
from digitsum.model.architecture import SumModel
from digitsum.model.backbones import BACKBONES
from digitsum.model.checkpoint import Checkpoint
from digitsum.model.model_file import read_model, write_model
from digitsum.params.loader import read_params
from digitsum.params.model import ModelParams
from digitsum.pipeline import read_stages, require_stage
from digitsum.recipes import apply
from digitsum.strips import raw
from digitsum.strips.dataset import Description
from digitsum.strips.sources.mnist import from_mnist
from digitsum.strips.sources.npy import from_npy
from digitsum.tracking.recording.outbox import Parcel, newly_aside, parcels
from digitsum.tracking.results.occurrences import from_lock

SECONDS = 10.0  # of processor time for each; 2 on an idle machine, where what stays in a loop takes minutes
MEGABYTES = 500  # over all


def lay_out(folder: Path) -> None:
    """Good files around the one that is malformed."""
    shutil.copy(ROOT / "params.yaml", folder)
    strips = np.zeros((3, 40, 168), np.uint8)
    strips[:, 20, 20] = 255
    np.save(folder / "data0.npy", strips)
    np.save(folder / "lab0.npy", np.zeros(3, np.uint8))
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(malformed.idx((10, 28, 28)))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(malformed.idx((10,)))
    good = raw.Raw("npy", from_npy(folder, 4, 40, 168).content, {})
    raw.write(good, folder)


def weights(file: str) -> Any:
    params = read_params(ROOT / "params.yaml")[ModelParams]
    asked = {"backbone": "resnet18", "pretrained": True, "weights_file": file}
    return BACKBONES["resnet18"](params.model_copy(update=asked))


DOORS: dict[str, Callable[[Path], Any]] = {
    "data0.npy": lambda path: from_npy(path.parent, 4, 40, 168),
    "lab0.npy": lambda path: from_npy(path.parent, 4, 40, 168),
    "train-images-idx3-ubyte": lambda path: from_mnist(path.parent),
    "train-labels-idx1-ubyte": lambda path: from_mnist(path.parent),
    "model.safetensors": read_model,
    "params.yaml": read_params,
    "recipe.yaml": lambda path: apply(path, path.parent / "params.yaml"),
    "dvc.yaml": lambda _: require_stage("train"),
    "dvc.lock": lambda path: from_lock(path.read_text(errors="replace"), "dvc.lock"),
    "metrics.json": read_figures,
    "dataset.json": Description.read,
    "manifest.json": lambda path: raw.read(path.parent),
    "predictions.csv": predictions.read,
    "weights.pth": lambda path: weights(str(path)),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.slow
def test_malformed_files_are_refused(tmp_path: Path, model: SumModel, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "good").mkdir()
    write_model(model, tmp_path / "good.safetensors")
    lay_out(tmp_path / "good")
    monkeypatch.chdir(tmp_path / "good")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = 0
    faults: list[str] = []
    whole = (tmp_path / "good.safetensors").read_bytes()
    for kind, what, content in malformed.everything(np.random.default_rng(0), whole):
        count += 1
        path = tmp_path / "good" / kind
        kept = path.read_bytes() if path.exists() else None
        path.write_bytes(content)
        there = contents(tmp_path / "good")
        start = time.process_time()
        try:
            DOORS[kind](path)
            faults.append(f"{kind}: {what}: is read")
        except InputError as error:
            if "\n" in plain(str(error)) or not any(name in str(error) for name in (kind, path.parent.name)):
                faults.append(f"{kind}: {what}: {error}")
        except Exception as error:
            faults.append(f"{kind}: {what}: {type(error).__name__} {str(error)[:100]}")
        if (seconds := time.process_time() - start) > SECONDS:
            faults.append(f"{kind}: {what}: {seconds:.1f} s")
        if contents(tmp_path / "good") != there:
            faults.append(f"{kind}: {what}: something was written")
        if kept is None:
            path.unlink()
        else:
            path.write_bytes(kept)
    assert not faults, f"{len(faults)} of {count}:\n" + "\n".join(faults)
    assert count >= 300
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MEGABYTES


def npy(array: np.ndarray) -> bytes:
    return malformed.npy(array)


def spoiled(whole: bytes) -> SearchStrategy[bytes]:
    """A file in which some bytes are others, or that is cut off."""
    places = st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)

    def apply_to(changes: list[tuple[int, int]], end: int) -> bytes:
        content = bytearray(whole)
        for at, byte in changes:
            content[at] = byte
        return bytes(content[:end])

    return st.builds(apply_to, places, st.integers(0, len(whole)))


def refusal(read: Callable[[], Any]) -> str | None:
    """What an InputError names; None if nothing is refused. Another exception ends the test."""
    try:
        read()
    except InputError as error:
        return str(error)
    return None


def reads_or_refuses(door: Callable[[Path], Any], path: Path, content: bytes) -> None:
    path.write_bytes(content)
    fault = refusal(lambda: door(path))
    assert fault is None or str(path.name) in fault or str(path.parent) in fault


LIMITS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@LIMITS
@given(st.one_of(st.binary(max_size=300), spoiled(npy(np.zeros((2, 5), np.uint8)))))
@example(malformed.header("(" * 100))
def test_any_bytes_as_npy(tmp_path: Path, content: bytes) -> None:
    reads_or_refuses(read_array, tmp_path / "a.npy", content)


@LIMITS
@given(st.one_of(st.binary(max_size=300), spoiled(malformed.idx((2, 5)))))
def test_any_bytes_as_idx(tmp_path: Path, content: bytes) -> None:
    reads_or_refuses(read_idx, tmp_path / "a-ubyte", content)


@LIMITS
@given(st.one_of(st.binary(max_size=300), spoiled(b'{"accuracy": 0.5, "strips": 40}')))
def test_any_bytes_as_json(tmp_path: Path, content: bytes) -> None:
    reads_or_refuses(read_json, tmp_path / "a.json", content)
    reads_or_refuses(read_figures, tmp_path / "a.json", content)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@LIMITS
@given(st.one_of(st.binary(max_size=300), spoiled((ROOT / "params.yaml").read_bytes())))
def test_any_bytes_as_params(tmp_path: Path, content: bytes) -> None:
    reads_or_refuses(read_params, tmp_path / "params.yaml", content)


@LIMITS
@given(st.sampled_from(["train", "model", "strip", "gate"]), st.text(max_size=8), VALUES)
def test_any_value_as_a_param(tmp_path: Path, given: dict, section: str, key: str, value: Any) -> None:
    changed = given | {section: given[section] | {key: value}}
    reads_or_refuses(read_params, tmp_path / "params.yaml", json.dumps(changed).encode())


@LIMITS
@given(VALUES)
def test_any_value_as_stages(tmp_path: Path, value: Any) -> None:
    with pytest.MonkeyPatch().context() as here:
        here.chdir(tmp_path)
        Path("dvc.yaml").write_text(json.dumps({"stages": value}))
        for door in (read_stages, lambda: require_stage("train")):
            assert (refusal(door) or "dvc.yaml: ").startswith("dvc.yaml: ")


@LIMITS
@given(VALUES)
def test_any_value_as_a_lock(value: Any) -> None:
    for text in (json.dumps({"stages": value}), json.dumps({"stages": {"train": value}}), json.dumps(value)):
        assert (refusal(lambda: from_lock(text, "dvc.lock")) or "dvc.lock: ").startswith("dvc.lock: ")  # noqa: B023


@LIMITS
@given(st.binary(max_size=200))
def test_any_bytes_as_a_table(tmp_path: Path, content: bytes) -> None:
    reads_or_refuses(predictions.read, tmp_path / "predictions.csv", content)


@LIMITS
@given(VALUES, st.sampled_from(["source", "kind", "origin", "sha256"]))
def test_any_value_in_a_manifest(tmp_path: Path, value: Any, name: str) -> None:
    found = {"source": "digits", "kind": "glyphs", "origin": {}, "sha256": {}} | {name: value}
    reads_or_refuses(lambda path: raw.read(path.parent), tmp_path / "manifest.json", json.dumps(found).encode())


def test_any_model_file_with_changed_bytes(tmp_path: Path, model: SumModel, rng: np.random.Generator) -> None:
    write_model(model, tmp_path / "m.safetensors")
    whole = np.frombuffer((tmp_path / "m.safetensors").read_bytes(), np.uint8)
    for _ in range(60):
        content = whole.copy()
        places = rng.integers(0, 3000 if rng.random() < 0.7 else len(whole), 3)
        content[places] = rng.integers(0, 256, 3)
        reads_or_refuses(read_model, tmp_path / "m.safetensors", content.tobytes())


@LIMITS
@given(st.lists(VALUES, max_size=4))
def test_any_lines_in_the_outbox(tmp_path: Path, lines: list[Any]) -> None:
    """A parcel is read or set aside, and said once; the one after it is read."""
    with pytest.MonkeyPatch().context() as here:
        here.chdir(tmp_path)
        with Parcel.begin("sqlite:///x.db", "train", {}) as bad, Parcel.begin("sqlite:///x.db", "train", {}) as good:
            with (bad.folder / "events.jsonl").open("a") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)
            stores = [parcel.store for parcel in parcels()]
            assert stores[-1] == "sqlite:///x.db"
            assert len(newly_aside()) == (1 if lines else 0)
            assert newly_aside() == []
            assert [parcel.folder for parcel in parcels()] == ([] if lines else [bad.folder]) + [good.folder]
        shutil.rmtree(".digitsum")


def test_any_checkpoint_is_resumed_from_or_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = Checkpoint(tmp_path, {})
    torch.manual_seed(3)
    wanted = torch.rand(3, generator=None).tolist()
    for what, content in malformed.weights(np.random.default_rng(0)):
        checkpoint.path.write_bytes(content)
        torch.manual_seed(3)
        assert checkpoint.load() is None, what
        assert torch.rand(3).tolist() == wanted, f"{what}: the random numbers are others"
    assert "is damaged; starting from the first step" in capsys.readouterr().out
    file = io.BytesIO()
    torch.save({"process": {"python": 1}}, file)
    checkpoint.path.write_bytes(file.getvalue())
    assert checkpoint.load() is None
