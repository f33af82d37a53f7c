"""The model as MLflow serves it: uint8 strips in; the sum, its probability, the digits and their places out.

MLflow calls `_load_pyfunc`. `schema` names the inputs and outputs without loading the weights.
"""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np

from digitsum.model.header import read_header

Column = tuple[str, str, tuple[int, ...]]  # name, NumPy type, shape with -1 for the number of strips
INK = "Pixels are whole numbers, 0 for paper to 255 for ink."
BLACK = f"nothing to read, all black. {INK}"
NEEDS = ("jaxtyping", "numpy", "pydantic", "pyyaml", "safetensors", "torch", "torchvision", "tqdm")


def schema(path: Path) -> tuple[list[Column], list[Column]]:
    """The inputs and the outputs of the model in a file."""
    description = read_header(path)
    if "schema" in description:
        columns = description["schema"]
    else:  # a file of an older version; this imports torch, which takes seconds
        from digitsum.model.model_file import serving_schema
        from digitsum.strips.dataset import Description

        columns = serving_schema(Description(**description["data"]), description["params"]["head"])
    inputs, outputs = (
        [(name, kind, tuple(shape)) for name, kind, shape in columns[part]] for part in ("inputs", "outputs")
    )
    return inputs, outputs


class ServedModel:
    def __init__(self, path: Path):
        from digitsum.model.model_file import read_model

        self.model = read_model(path)

    def predict(self, strips: np.ndarray, _params: dict[str, Any] | None = None) -> dict[str, np.ndarray]:
        """
        Raises:
            MlflowException: if a strip is black, as it is after MLflow has truncated floats in 0..1 to integers, or if
                the model counts another number of digits on it, as on a strip with dark ink on white.
        """
        from mlflow.exceptions import MlflowException

        from digitsum.model.prediction import LIKELIEST, predict

        strips = np.ascontiguousarray(strips, dtype=np.uint8)
        for number, reason in enumerate(self.refusals(strips)):
            if reason is not None:
                raise MlflowException.invalid_parameter_value(f"Strip {number} of {len(strips)}: {reason}")
        prediction = predict(self.model, strips)
        sums = np.argsort(-prediction.log_probability, axis=1, kind="stable")[:, :LIKELIEST]
        probabilities = np.exp(np.take_along_axis(prediction.log_probability, sums, axis=1)).astype(np.float32)
        outputs = {
            "sum": sums[:, 0],
            "probability": probabilities[:, 0],
            "likeliest_sums": sums,
            "likeliest_probabilities": probabilities,
            "digits": prediction.digits,
            "centres": prediction.centres,
        }
        return {name: value for name, value in outputs.items() if value is not None}

    def refusals(self, strips: np.ndarray) -> list[str | None]:
        """For each strip the reason why there is nothing to read on it, or None."""
        from digitsum.model.counting import wrong_number
        from digitsum.model.prediction import predict_counts

        reasons: list[str | None] = [None if seen else BLACK for seen in strips.max(axis=(1, 2), initial=0) > 1]
        if self.model.head.any_width and len(strips):
            highest = strips.shape[2] // self.model.backbone.stride
            counts = np.exp(predict_counts(self.model, strips, highest))
            for number, probabilities in enumerate(counts):
                if reasons[number] is None and (why := wrong_number(probabilities, self.model.data.digits)):
                    reasons[number] = f"{why}. {INK}"
        return reasons


def _load_pyfunc(path: str) -> ServedModel:
    if server := sys.modules.get("mlflow.pyfunc.scoring_server"):
        server.invocations = _with_refusals(server.invocations)  # type: ignore[attr-defined]
    return ServedModel(Path(path))


def _with_refusals(invocations: Callable[..., Any]) -> Callable[..., Any]:
    """MLflow's handler of requests answers 500 to JSON that is too deep and to numbers that are too long; here, 400."""

    @wraps(invocations)
    def refusing(*given: Any, **named: Any) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return invocations(*given, **named)
        except (RecursionError, OverflowError, ValueError, TypeError) as error:
            raise MlflowException.invalid_parameter_value(f"The input cannot be read: {error}") from error

    return refusing
