"""The model file rebuilds the model by itself; any other file is refused."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from conftest import files_no_larger_than

from digitsum.errors import InputError
from digitsum.model.architecture import SumModel
from digitsum.model.model_file import read_model, write_model
from digitsum.model.prediction import predict
from digitsum.model.serving import ServedModel, schema
from digitsum.model.temperature import temper
from digitsum.params.model import ModelParams
from digitsum.strips.dataset import Description


@pytest.mark.parametrize("head", ["columns", "direct"])
def test_file_round_trip(
    tmp_path: Path, tiny_model_params: ModelParams, description: Description, strips: np.ndarray, head: str
) -> None:
    torch.manual_seed(0)
    model = SumModel(tiny_model_params.model_copy(update={"head": head}), description)
    model(torch.from_numpy(strips))  # moves the statistics of the normalisation layers
    model.trained_on = {"source": "a test"}
    write_model(model, tmp_path / "model.safetensors")
    back = read_model(tmp_path / "model.safetensors")
    assert back.data == description
    assert back.trained_on == {"source": "a test"}
    predicted, again = predict(model, strips), predict(back, strips)
    assert np.array_equal(predicted.log_probability, again.log_probability)
    assert (predicted.digits is None) == (head == "direct")


def test_temperature_goes_with_the_model_and_moves_no_prediction(
    tmp_path: Path, model: SumModel, strips: np.ndarray
) -> None:
    as_is = predict(model, strips).log_probability
    model.temperature.fill_(2.5)
    write_model(model, tmp_path / "model.safetensors")
    tempered = predict(read_model(tmp_path / "model.safetensors"), strips).log_probability
    np.testing.assert_allclose(tempered, temper(as_is, 2.5), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(temper(tempered, 1 / 2.5), as_is, rtol=1e-4, atol=1e-4)
    assert np.array_equal(tempered.argmax(axis=1), as_is.argmax(axis=1))


def test_file_from_before_temperatures_has_temperature_one(tmp_path: Path, model: SumModel) -> None:
    path = tmp_path / "model.safetensors"
    write_model(model, path)
    with safetensors.safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del tensors["temperature"]
    safetensors.torch.save_file(tensors, path, metadata)
    assert read_model(path).temperature == 1


def test_files_that_are_no_model_are_refused(tmp_path: Path, model: SumModel) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match="no such file"):
        read_model(path)
    write_model(model, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="truncated, or not a model file"):
        read_model(path)
    torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="truncated, or not a model file"):
        read_model(path)
    safetensors.torch.save_file({"weights": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="not a model file"):
        read_model(path)


@pytest.mark.parametrize(
    ("name", "value"), [("digits", 0), ("width", -1), ("std", 0.0), ("mean", "dark"), ("std", "NaN")]
)
def test_model_of_impossible_strips_is_refused(tmp_path: Path, model: SumModel, name: str, value: object) -> None:
    model.data = copy.copy(model.data)
    object.__setattr__(model.data, name, value)  # past its own check
    write_model(model, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=f"not a model file .*{name}"):
        read_model(tmp_path / "model.safetensors")


OF_ALL = ("sum", "probability", "likeliest_sums", "likeliest_probabilities")


@pytest.mark.parametrize(
    ("head", "outputs"),
    [
        ("columns", ["digits", "centres"]),
        ("slots", ["digits"]),
        ("multi_label", []),
        ("direct", []),
    ],
)
def test_schema_has_the_outputs_that_are_served(
    tmp_path: Path, tiny_model_params: ModelParams, description: Description, strips: np.ndarray, head: str,
    outputs: list[str],
) -> None:  # fmt: skip
    """Read from the file, or derived for a file of an older version, which has none."""
    path = tmp_path / "model.safetensors"
    write_model(SumModel(tiny_model_params.model_copy(update={"head": head}), description), path)
    served = ServedModel(path).predict(strips)
    assert list(served) == [*OF_ALL, *outputs]
    inputs, columns = schema(path)
    assert inputs == [("", "uint8", (-1, 40, 168))]
    assert columns == [(name, str(value.dtype), (-1, *value.shape[1:])) for name, value in served.items()]
    with safetensors.safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    older = {key: value for key, value in json.loads(metadata["digitsum"]).items() if key != "schema"}
    safetensors.torch.save_file(tensors, path, {"digitsum": json.dumps(older)})
    assert schema(path) == (inputs, columns)
    assert np.array_equal(ServedModel(path).predict(strips)["sum"], served["sum"])


def test_full_disk_is_reported_in_one_line(tmp_path: Path, model: SumModel) -> None:
    file = tmp_path / "model.safetensors"
    with (
        files_no_larger_than(1000),
        pytest.raises(InputError, match=r"model\.safetensors: cannot be written \(.*\); free"),
    ):
        write_model(model, file)
    assert not list(tmp_path.iterdir())


def test_file_does_not_name_the_model_that_its_backbone_started_from(tmp_path: Path, model: SumModel) -> None:
    file = tmp_path / "model.safetensors"
    model.params = model.params.model_copy(update={"init_from": "of-the-sender.safetensors"})
    write_model(model, file)
    assert read_model(file).params.init_from is None


def test_offset_moves_centres_and_travels_with_the_file(model: SumModel, strips: np.ndarray, tmp_path: Path) -> None:
    before = predict(model, strips).centres
    model.offset.fill_(5)
    write_model(model, tmp_path / "model.safetensors")
    after = predict(read_model(tmp_path / "model.safetensors"), strips).centres
    assert np.array_equal(after, (before + 5).clip(0, 167))
