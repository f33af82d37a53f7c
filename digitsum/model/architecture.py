"""A model of sums: a backbone, a head, and the file that rebuilds both."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors
import safetensors.torch
import torch
from jaxtyping import Float, Int, Int64, Integer, Shaped, UInt8
from torch import Tensor, nn

from digitsum.errors import InputError
from digitsum.files import whole_file
from digitsum.model.backbones import BACKBONES
from digitsum.model.devices import has_fast_bfloat16
from digitsum.model.heads import HEADS, Columns
from digitsum.params.model import ModelParams
from digitsum.progress import Progress
from digitsum.strips.dataset import Description

FEW = 32  # strips whose views are taken at once, which is quicker; more would overflow the caches of a processor


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
        self.params = params.from_scratch()
        self.data = data
        self.trained_on: dict[str, Any] = {}
        self.backbone = BACKBONES[params.backbone](params)
        if params.init_from is not None:
            self._start_from(Path(params.init_from))
        self.feature_shape = self.backbone.channels, *self._feature_size()
        self.head = HEADS[params.head](*self.feature_shape, data.digits)
        self.offset: Tensor  # pixels from the centre of a column that fires to that of its glyph
        self.register_buffer("offset", torch.zeros(()))
        self.temperature: Tensor  # log P(sum) of predictions is divided by it: more than one makes them less sure
        self.register_buffer("temperature", torch.ones(()))
        self.to(memory_format=torch.channels_last)

    def _start_from(self, path: Path) -> None:
        """
        Raises:
            InputError: if the file is missing, no model, or one with another backbone.
        """
        if not path.exists():
            raise InputError(f"{path}: no such file; set `model.init_from` to a model file, or to null")
        other = SumModel.read(path)
        for name in ("backbone",) if self.params.backbone.startswith("resnet") else ("backbone", "small_channels"):
            theirs, ours = getattr(other.params, name), getattr(self.params, name)
            if theirs != ours:
                raise InputError(
                    f"{path}: has {name} {theirs}, but `model.{name}` is {ours}; set it to {theirs}, or "
                    "`model.init_from` to another model"
                )
        self.backbone.load_state_dict(other.backbone.state_dict())

    def _feature_size(self) -> tuple[int, int]:
        """Rows and columns of the feature map, without touching the statistics of the normalisation layers."""
        with torch.device("meta"):
            shadow = BACKBONES[self.params.backbone](self.params)
            width = self.data.width + -self.data.width % shadow.stride
            rows, columns = shadow(torch.empty(2, 1, self.data.height, width)).shape[2:]
        return rows, columns

    def features(self, strips: Shaped[Tensor, "n h w"]) -> Float[Tensor, "n c i j"]:
        precision = self.offset.dtype
        # black up to whole columns: at an edge that cuts one, which no training showed, digits are seen where none are
        strips = nn.functional.pad(strips, (0, -strips.shape[2] % self.backbone.stride))
        x = (strips.unsqueeze(1).to(precision) / 255 - self.data.mean) / self.data.std
        with torch.autocast(strips.device.type, torch.bfloat16, enabled=has_fast_bfloat16(strips.device.type)):
            return cast(Tensor, self.backbone(x)).to(precision)

    def forward(
        self, strips: Shaped[Tensor, "n h w"], mask: Float[Tensor, "n c i j"] | None = None, dense: int = 0, k: int = 0
    ) -> Float[Tensor, "n s"]:
        """`mask`, where there is one, multiplies the features that the head gets to see.

        The first `dense` strips have `k` digits, no fewer than the data's; the sums that only they can have are minus
        infinity for the rest. Only the head `columns` has such strips.
        """
        features = self.features(strips)
        if mask is not None:
            features = features * mask
        if dense == 0:
            return self.head(features)
        assert isinstance(self.head, Columns)
        if dense == len(features):
            return self.head.log_sum(features, k)
        first, rest = self.head.log_sum(features[:dense], k), self.head(features[dense:])
        never = rest.new_full((len(rest), first.shape[1] - rest.shape[1]), -math.inf)
        return torch.cat([first, torch.cat([rest, never], dim=1)])

    @torch.inference_mode()
    def predict(
        self,
        strips: UInt8[np.ndarray, "n h w"],
        batch_size: int = 250,
        shifts: Sequence[int] | None = None,
        sums: Integer[np.ndarray, " n"] | None = None,
    ) -> Prediction:
        """In evaluation mode; probabilities are given that there are k digits, so they sum to one.

        They are means over the strip moved right by each of `shifts` pixels, by default those of the model's params,
        at the model's temperature. What is read is what was read where the predicted sum was likeliest; with `sums`,
        the likeliest of the readings that add up to these, where these were likeliest.
        """
        self.eval()
        device = next(self.parameters()).device
        shifts = self.params.shifts if shifts is None else shifts
        parts: list[tuple[Tensor, ...]] = []
        with Progress("predict", len(strips), "strips") as progress:
            for start in range(0, max(len(strips), 1), batch_size):  # of no strips, none
                part = slice(start, start + batch_size)
                batch = torch.from_numpy(strips[part].copy()).to(device)
                wanted = None if sums is None else torch.from_numpy(sums[part].astype(np.int64)).to(device)
                parts.append(self._view(batch, shifts, wanted))
                progress.advance(len(batch))
        arrays = [torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True)]
        return Prediction(*arrays, *[None] * (3 - len(arrays)))

    def _view(
        self, strips: UInt8[Tensor, "n h w"], shifts: Sequence[int], sums: Int64[Tensor, " n"] | None
    ) -> tuple[Tensor, ...]:
        """log P(sum), and as far as the head reads them, digits and centres."""
        shifted = [nn.functional.pad(strips, (shift, -shift)) for shift in shifts]
        if len(strips) <= FEW:
            features = self.features(torch.cat(shifted))
            views = list(features.reshape(len(shifts), len(strips), *features.shape[1:]))
        else:
            views = [self.features(view) for view in shifted]
        each = torch.stack([self.head(view).log_softmax(-1) for view in views])
        mean = (each.logsumexp(0) / self.temperature).log_softmax(-1)
        readings = [reading for view in views if (reading := self.head.read(view, sums)) is not None]
        if not readings:
            return (mean,)
        rows = torch.arange(len(strips), device=strips.device)
        likeliest = each[:, rows, mean.argmax(-1) if sums is None else sums].argmax(0)
        digits = torch.stack([reading.digits for reading in readings])[likeliest, rows]
        columns = [reading.columns for reading in readings if reading.columns is not None]
        if not columns:
            return mean, digits
        moved = torch.tensor(shifts, device=strips.device)[likeliest, None]
        centres = torch.stack(columns)[likeliest, rows] * self.backbone.stride - moved + self.offset.long()
        return mean, digits, centres.clamp(0, self.data.width - 1)

    def for_strips(self, digits: int, width: int) -> "SumModel":
        """The same model for strips of another width and number of digits; it was trained on none of them.

        Raises:
            InputError: if the head is made for one number of digits.
        """
        other = SumModel(self.params, replace(self.data, digits=digits, width=width))
        try:
            other.load_state_dict(self.state_dict())
        except RuntimeError as error:
            raise InputError(
                f"the head {self.params.head} is made for {self.data.digits} digits on {self.data.width} pixels alone; "
                "train one with model.head: columns"
            ) from error
        return other

    @torch.inference_mode()
    def predict_count(self, strips: UInt8[np.ndarray, "n h w"], highest: int) -> Float[np.ndarray, "n m"]:
        """log P(count of digits = c), c in 0..highest; of a model with the head `columns`."""
        assert isinstance(self.head, Columns)
        self.eval()
        device = next(self.parameters()).device
        counts: list[Tensor] = []
        for start in range(0, len(strips), 250):
            batch = torch.from_numpy(strips[start : start + 250].copy()).to(device)
            counts.append(self.head.log_count(self.features(batch), highest).cpu())
        return torch.cat(counts).numpy()

    def write(self, path: Path) -> None:
        """Weights, what rebuilds the model, and what it was trained on, in one safetensors file.

        Raises:
            InputError: if it cannot be written, as where the disk is full.
        """
        description = {"params": self.params.model_dump(), "data": asdict(self.data), "trained_on": self.trained_on}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        metadata = {"digitsum": json.dumps(description, sort_keys=True)}
        try:
            with whole_file(path) as temporary:
                safetensors.torch.save_file(tensors, temporary, metadata)
        except safetensors.SafetensorError as error:
            raise InputError(f"{path}: cannot be written ({error}); free space on its disk") from error

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
            params = ModelParams.model_validate_json(json.dumps(description["params"])).from_scratch()
            model = cls(params, Description(**description["data"]))
            tensors.setdefault("temperature", torch.ones(()))  # of files from before there was one
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
