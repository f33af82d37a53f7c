"""The model file: weights as safetensors, with a JSON description that rebuilds the model."""

import json
from dataclasses import asdict
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from digitsum.errors import InputError, one_line
from digitsum.files import whole_file
from digitsum.model.architecture import SumModel
from digitsum.model.header import DESCRIPTION
from digitsum.model.heads import HEADS
from digitsum.params.model import ModelParams
from digitsum.strips.dataset import Description

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
    outputs: list[Column] = [("sum", "int64", (-1,)), ("probability", "float32", (-1,))]
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
        with safetensors.safe_open(path, framework="pt") as file:
            description = json.loads((file.metadata() or {})[DESCRIPTION])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        params = ModelParams.model_validate_json(json.dumps(description["params"]))
        model = SumModel(params, Description(**description["data"]))
        tensors.setdefault("temperature", torch.ones(()))  # absent from files of older versions
        model.load_state_dict(tensors)
        model.trained_on = description["trained_on"]
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; dvc repro train writes it") from error
    except (safetensors.SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{path}: truncated, or not a model file ({one_line(error)}); dvc repro train writes one"
        ) from error
    return model
