"""A model of sums: a backbone, a head, and the file that rebuilds both."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors
import safetensors.torch
import torch
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor, nn

from digitsum.errors import InputError
from digitsum.files import whole_file
from digitsum.model.backbones import BACKBONES
from digitsum.model.devices import has_fast_bfloat16
from digitsum.model.heads import HEADS, Reading
from digitsum.model.params import ModelParams
from digitsum.progress import Progress
from digitsum.strips.dataset import Description


@dataclass(frozen=True)
class Prediction:
    """What a model says of n strips. `centres` are in pixels from the left; None from heads that do not read them."""

    log_probability: Float[np.ndarray, "n s"]
    digits: Int[np.ndarray, "n k"] | None
    centres: Int[np.ndarray, "n k"] | None


class SumModel(nn.Module):
    """Maps strips, in 0..255, to log P(sum). Normalisation is part of the model."""

    def __init__(self, params: ModelParams, data: Description):
        super().__init__()
        self.params, self.data = params, data
        self.trained_on: dict[str, Any] = {}
        self.backbone = BACKBONES[params.backbone](params)
        rows, columns = self._feature_size()
        self.head = HEADS[params.head](self.backbone.channels, rows, columns, data.digits)
        self.to(memory_format=torch.channels_last)

    def _feature_size(self) -> tuple[int, int]:
        """Rows and columns of the feature map, without touching the statistics of the normalisation layers."""
        with torch.device("meta"):
            shadow = BACKBONES[self.params.backbone](self.params.model_copy(update={"pretrained": False}))
            rows, columns = shadow(torch.empty(2, 1, self.data.height, self.data.width)).shape[2:]
        return rows, columns

    def features(self, strips: Shaped[Tensor, "n h w"]) -> Float[Tensor, "n c i j"]:
        x = (strips.unsqueeze(1).float() / 255 - self.data.mean) / self.data.std
        with torch.autocast(strips.device.type, torch.bfloat16, enabled=has_fast_bfloat16(strips.device.type)):
            return cast(Tensor, self.backbone(x)).float()

    def forward(self, strips: Shaped[Tensor, "n h w"]) -> Float[Tensor, "n s"]:
        return self.head(self.features(strips))

    @torch.inference_mode()
    def predict(self, strips: UInt8[np.ndarray, "n h w"], batch_size: int = 250) -> Prediction:
        """In evaluation mode; probabilities are given that there are k digits, so they sum to one."""
        self.eval()
        device = next(self.parameters()).device
        log_probability: list[Tensor] = []
        readings: list[Reading] = []
        with Progress("predict", len(strips), "strips") as progress:
            for start in range(0, len(strips), batch_size):
                batch = torch.from_numpy(strips[start : start + batch_size].copy()).to(device)
                features = self.features(batch)
                log_probability.append(self.head(features).log_softmax(-1).cpu())
                if (reading := self.head.read(features)) is not None:
                    readings.append(reading)
                progress.advance(len(batch))
        digits = [reading.digits for reading in readings]
        centres = [reading.columns * self.backbone.stride for reading in readings if reading.columns is not None]
        return Prediction(
            torch.cat(log_probability).numpy(),
            torch.cat(digits).cpu().numpy() if digits else None,
            torch.cat(centres).cpu().numpy() if centres else None,
        )

    def write(self, path: Path) -> None:
        """Weights, what rebuilds the model, and what it was trained on, in one safetensors file."""
        rebuilt_with = self.params.model_dump() | {"pretrained": False, "weights_file": None}
        description = {"params": rebuilt_with, "data": asdict(self.data), "trained_on": self.trained_on}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        with whole_file(path) as temporary:
            safetensors.torch.save_file(
                tensors, temporary, metadata={"digitsum": json.dumps(description, sort_keys=True)}
            )

    @classmethod
    def read(cls, path: Path) -> "SumModel":
        """
        Raises:
            InputError: if the file is missing, truncated, not a model of this project, or its weights do not fit.
        """
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                description = json.loads((file.metadata() or {})["digitsum"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
            model = cls(ModelParams.model_validate(description["params"]), Description(**description["data"]))
            model.load_state_dict(tensors)
            model.trained_on = description["trained_on"]
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such file; dvc repro train writes it") from error
        except (safetensors.SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:160]
            raise InputError(
                f"{path}: truncated, or not a model of digitsum ({reason}); dvc repro train writes one"
            ) from error
        return model
