"""The model as MLflow serves it: uint8 strips in; the sum, its probability, the digits and their places out.

MLflow calls `_load_pyfunc`. `schema` names the inputs and outputs without loading the weights.
"""

from pathlib import Path
from typing import Any

import numpy as np

from digitsum.model.header import read_header

Column = tuple[str, str, tuple[int, ...]]  # name, NumPy type, shape with -1 for the number of strips
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
            MlflowException: if a strip is black, as it is after MLflow has truncated floats in 0..1 to integers.
        """
        from digitsum.model.prediction import predict

        black = np.flatnonzero(strips.max(axis=(1, 2), initial=0) <= 1)
        if len(black):
            from mlflow.exceptions import MlflowException

            raise MlflowException.invalid_parameter_value(
                f"Nothing to read on {len(black)} of {len(strips)} strips, the first being {black[0]}: all black. "
                "Pixels are whole numbers, 0 for paper to 255 for ink."
            )
        prediction = predict(self.model, np.ascontiguousarray(strips, dtype=np.uint8))
        sums = prediction.log_probability.argmax(axis=1)
        probability = np.exp(prediction.log_probability[np.arange(len(sums)), sums]).astype(np.float32)
        outputs = {"sum": sums, "probability": probability, "digits": prediction.digits, "centres": prediction.centres}
        return {name: value for name, value in outputs.items() if value is not None}


def _load_pyfunc(path: str) -> ServedModel:
    return ServedModel(Path(path))
