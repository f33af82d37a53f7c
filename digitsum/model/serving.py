"""A model as MLflow serves it: uint8 strips in; sum, its probability and digits out. Normalisation is within.

MLflow calls `_load_pyfunc`; the rest says what goes in and out without loading the weights.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

Column = tuple[str, str, tuple[int, ...]]  # name, NumPy's name of the type, shape with -1 for any number
NEEDS = ("jaxtyping", "numpy", "pydantic", "pyyaml", "safetensors", "torch", "torchvision", "tqdm")


def schema(path: Path) -> tuple[list[Column], list[Column]]:
    """Inputs and outputs of the model in a file."""
    with safetensors.safe_open(path, framework="np") as file:
        description = json.loads(file.metadata()["digitsum"])
    data, head = description["data"], description["params"]["head"]
    outputs: list[Column] = [("sum", "int64", (-1,)), ("probability", "float32", (-1,))]
    if head in ("columns", "slots"):
        outputs.append(("digits", "int64", (-1, data["digits"])))
    if head == "columns":
        outputs.append(("centres", "int64", (-1, data["digits"])))
    return [("", "uint8", (-1, data["height"], data["width"]))], outputs


class Served:
    def __init__(self, path: Path):
        from digitsum.model.architecture import SumModel

        self.model = SumModel.read(path)

    def predict(self, strips: np.ndarray, _params: dict[str, Any] | None = None) -> dict[str, np.ndarray]:
        """
        Raises:
            MlflowException: if a strip is black, as it is where floats were sent, which MLflow cuts to integers.
        """
        black = np.flatnonzero(strips.max(axis=(1, 2), initial=0) <= 1)
        if len(black):
            from mlflow.exceptions import MlflowException

            raise MlflowException.invalid_parameter_value(
                f"Nothing to read on {len(black)} of {len(strips)} strips, the first being {black[0]}: all black. "
                "Pixels are whole numbers, 0 for paper to 255 for ink."
            )
        said = self.model.predict(np.ascontiguousarray(strips, dtype=np.uint8))
        sums = said.log_probability.argmax(axis=1)
        probability = np.exp(said.log_probability[np.arange(len(sums)), sums]).astype(np.float32)
        answers = {"sum": sums, "probability": probability, "digits": said.digits, "centres": said.centres}
        return {name: value for name, value in answers.items() if value is not None}


def _load_pyfunc(path: str) -> Served:
    return Served(Path(path))
