"""The model file: weights as safetensors, with a JSON description that rebuilds the model."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from digitsum.errors import InputError, one_line
from digitsum.files import whole_file
from digitsum.model.architecture import SumModel
from digitsum.model.header import DESCRIPTION, require_short_header
from digitsum.model.heads import HEADS
from digitsum.model.prediction import LIKELIEST
from digitsum.params.model import ModelParams
from digitsum.strips.dataset import Description

TYPES = {torch.float32: "F32", torch.int64: "I64"}  # safetensors' names
ABSENT = {"temperature": torch.ones(())}  # in files of older versions

Column = tuple[str, str, tuple[int, ...]]  # name, NumPy type, shape with -1 for the number of strips


def write_model(model: SumModel, path: Path) -> None:
    """Write the weights, the params and the data description that rebuild the model, what it was trained on, and what
    goes in and out when it is served.

    Raises:
        InputError: if the file cannot be written, for example because the disk is full.
    """
    description = {
        "params": model.params.model_dump(),
        "data": asdict(model.data),
        "trained_on": model.trained_on,
        "schema": serving_schema(model.data, model.params.head),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    metadata = {DESCRIPTION: json.dumps(description, sort_keys=True)}
    try:
        with whole_file(path) as temporary:
            safetensors.torch.save_file(tensors, temporary, metadata)
    except safetensors.SafetensorError as error:
        raise InputError(f"{path}: cannot be written ({error}); free space on its disk") from error


def serving_schema(data: Description, head: str) -> dict[str, list[Column]]:
    """The inputs and the outputs of a served model."""
    outputs: list[Column] = [
        ("sum", "int64", (-1,)),
        ("probability", "float32", (-1,)),
        ("likeliest_sums", "int64", (-1, LIKELIEST)),
        ("likeliest_probabilities", "float32", (-1, LIKELIEST)),
    ]
    if HEADS[head].reads_digits:
        outputs.append(("digits", "int64", (-1, data.digits)))
    if HEADS[head].reads_places:
        outputs.append(("centres", "int64", (-1, data.digits)))
    return {"inputs": [("", "uint8", (-1, data.height, data.width))], "outputs": outputs}


def read_model(path: Path) -> SumModel:
    """
    Raises:
        InputError: if the file is missing, truncated or not a model file, or if its weights do not fit its params.
    """
    try:
        require_short_header(path)
        with safetensors.safe_open(path, framework="pt") as file:
            description = json.loads((file.metadata() or {})[DESCRIPTION])
            params = ModelParams.model_validate_json(json.dumps(description["params"]))
            data = Description(**description["data"])
            _require_shapes(file, params, data)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        _require_values(tensors, data)
        model = SumModel(params, data)
        model.load_state_dict(ABSENT | tensors)
        model.trained_on = description["trained_on"]
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; dvc repro train writes it") from error
    except Exception as error:  # a file from outside makes the parsers raise nearly anything
        raise InputError(
            f"{path}: truncated, or not a model file ({one_line(error)}); dvc repro train writes one"
        ) from error
    return model


def _require_shapes(file: Any, params: ModelParams, data: Description) -> None:
    """Compare names, types and shapes with those of the params, before anything of their size is allocated.

    Raises:
        ValueError: if one differs.
    """
    if data.digits > 8 or data.height > 512 or data.width > 4096:  # the bounds of params.strip
        raise ValueError(f"made for {data.digits} digits on {data.height} x {data.width} pixels")
    with torch.device("meta"):
        expected = SumModel(params, data).state_dict()
    names = set(file.keys())
    if difference := (expected.keys() ^ names) - (ABSENT.keys() - names):
        raise ValueError(f"the tensor {min(difference)} is missing or unknown")
    for name in names:
        own = file.get_slice(name)
        shape, kind = tuple(own.get_shape()), own.get_dtype()
        wanted = expected[name]
        if shape != tuple(wanted.shape) or kind != TYPES.get(wanted.dtype):
            raise ValueError(f"{name} is {kind} {shape}, not {TYPES.get(wanted.dtype)} {tuple(wanted.shape)}")


def _require_values(tensors: dict[str, torch.Tensor], data: Description) -> None:
    """
    Raises:
        ValueError: if weights are no finite numbers, or others than training can write.
    """
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{name} holds NaN or infinity")
        if name.endswith("running_var") and (tensor < 0).any():
            raise ValueError(f"{name} holds negative variances")
    temperature, offset = float(tensors.get("temperature", 1)), float(tensors["offset"])
    if not 1e-3 <= temperature <= 1e3:
        raise ValueError(f"temperature is {temperature:g}, not in 0.001 to 1000")
    if abs(offset) > data.width:
        raise ValueError(f"offset is {offset:g} pixels on strips of {data.width}")
