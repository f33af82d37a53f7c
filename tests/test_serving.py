"""The champion, as MLflow's own server serves it and as the command line reads it out of the registry."""

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
import torch
from conftest import Opener
from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException

from digitsum.commands._models import model_file, row_contents
from digitsum.errors import InputError
from digitsum.model.architecture import SumModel
from digitsum.model.counting import IMPOSSIBLE
from digitsum.model.model_file import write_model
from digitsum.model.prediction import predict, predict_counts
from digitsum.model.serving import ServedModel
from digitsum.params.model import ModelParams
from digitsum.strips.dataset import Description
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.results.result import Occurrence
from digitsum.tracking.rows.models import log_model
from digitsum.tracking.rows.registry import Registry
from digitsum.tracking.rows.store import Store

FILE = "models/model.safetensors"


@pytest.fixture
def champion(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_model_params: ModelParams,
    description: Description,
    empty_store: Path,
) -> SumModel:
    """A model that is registered as such, in a store that MLFLOW_TRACKING_URI names."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    torch.manual_seed(0)
    model = SumModel(tiny_model_params, description)
    write_model(model, Path(FILE))
    store = Store.at(f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = store.begin("row", {"digitsum.result": "x"}, 0)
    stages = {"train": {"cmd": "x", "outs": [{"path": FILE, "md5": checksum(Path(FILE))}]}}
    result = Occurrence("row", json.dumps({"stages": stages}), "", {}, None, "", False, "", "", 0)
    logged = log_model(store, run, row_contents().model, result)
    assert logged is not None
    store.client.log_outputs(run, [LoggedModelOutput(logged, 0)])
    registry = Registry(store)
    registry.crown(registry.register(logged, run), None)
    return model


@pytest.mark.usefixtures("champion")
def test_model_of_the_registry_or_of_a_run(tmp_path: Path) -> None:
    champion = Registry(Store.at(f"sqlite:///{tmp_path / 'mlflow.db'}")).holder("champion")
    assert champion is not None
    expected = Path(FILE).read_bytes()
    assert model_file(FILE) == Path(FILE)
    for what in ("models:/digitsum@champion", "models:/digitsum/1", champion.run, champion.run[:6]):
        assert model_file(what).read_bytes() == expected
    for what in ("models:/digitsum@none", "no-run"):
        with pytest.raises(InputError, match=f"^{what}: no such"):
            model_file(what)


def test_strips_with_another_number_of_digits_are_refused(champion: SumModel, rng: np.random.Generator) -> None:
    """As a strip with dark ink on white is, for most models."""
    strips = rng.integers(0, 256, (3, 40, 168), dtype=np.uint8)
    with torch.no_grad():
        champion.head.beliefs.bias[10] += 8
    write_model(champion, Path(FILE))
    with pytest.raises(MlflowException, match=r"^Strip 0 of 3: not 4 digits, more likely none\. Pixels are") as refused:
        ServedModel(Path(FILE)).predict(strips)
    assert refused.value.get_http_status_code() == 400


def test_mlflow_serves_the_champion(
    champion: SumModel, tmp_path: Path, rng: np.random.Generator, model_server: Opener
) -> None:
    strips = rng.integers(0, 256, (200, 40, 168), dtype=np.uint8)
    assert predict_counts(champion, strips, 21)[:, 4].min() > np.log(IMPOSSIBLE)
    with model_server("models:/digitsum@champion", f"sqlite:///{tmp_path / 'mlflow.db'}") as address:

        def post(content: object, kind: str = "application/json") -> tuple[int, Any]:
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            try:
                with urlopen(Request(address, data, {"Content-Type": kind}), timeout=60) as answer:
                    return answer.status, json.load(answer)
            except HTTPError as error:
                return error.code, error.read().decode()

        for count in (200, 1):
            said = predict(champion, strips[:count])
            status, answer = post({"inputs": strips[:count].tolist()})
            assert status == 200
            assert answer["predictions"]["sum"] == said.log_probability.argmax(axis=1).tolist()
            assert answer["predictions"]["digits"] == said.digits.tolist()
            assert answer["predictions"]["centres"] == said.centres.tolist()
            probability = np.exp(said.log_probability.max(axis=1))
            assert answer["predictions"]["probability"] == pytest.approx(probability, rel=1e-3)
            order = np.argsort(-said.log_probability, axis=1)[:, :3]
            assert answer["predictions"]["likeliest_sums"] == order.tolist()
            assert [row[0] for row in answer["predictions"]["likeliest_probabilities"]] == pytest.approx(
                probability, rel=1e-3
            )

        black = strips[:3].copy()
        black[1] = 0
        for content, kind, code, reason in (
            ({"inputs": strips[0].tolist()}, "application/json", 400, "Shape of input (40, 168) does not match"),
            ({"inputs": strips[:1, :, :9].tolist()}, "application/json", 400, "does not match expected shape"),
            ({"inputs": (strips[:1] / 256).tolist()}, "application/json", 400, "0 for paper to 255 for ink"),
            (
                {"inputs": black.tolist()},
                "application/json",
                400,
                "Strip 1 of 3: nothing to read, all black",
            ),
            ({"inputs": [[[300] * 168] * 40]}, "application/json", 400, "300 out of bounds for uint8"),
            ({"inputs": [[["a"] * 168] * 40]}, "application/json", 400, "invalid literal"),
            ({"inputs": [[[1], [2, 3]]]}, "application/json", 400, "inhomogeneous shape"),
            ({"inputs": []}, "application/json", 400, "enforce schema"),
            ({"inputs": None}, "application/json", 400, "expects a single n-dimensional array"),
            ({"images": []}, "application/json", 400, "exactly one of the input fields"),
            (b'{"inputs": [', "application/json", 400, "valid JSON"),
            (b"a,b", "text/csv", 400, "parse input"),
            (b'{"inputs": ' + b"[" * 100_000, "application/json", 400, "cannot be read"),
            (b'{"inputs": [[[' + b"9" * 5000 + b"]]]}", "application/json", 400, "cannot be read"),
            (b'{"inputs": [[[' + b"9" * 500 + b"]]]}", "application/json", 400, ""),
            (b'{"inputs": [[[1e999]]]}', "application/json", 400, ""),
            (b'{"inputs": {"a": 1}}', "application/json", 400, ""),
            (b"\xff\xfe", "application/json", 400, ""),
            (b"\x89PNG", "image/png", 415, "only supports the following content types"),
        ):
            status, answer = post(content, kind)
            assert status == code, answer
            assert reason in answer
        assert post({"inputs": strips[:1].tolist()})[0] == 200
