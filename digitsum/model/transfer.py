"""The model that training starts from: new, or with the backbone of another model or of ImageNet."""

from pathlib import Path

from digitsum.errors import InputError
from digitsum.model.architecture import SumModel
from digitsum.model.backbones import BACKBONES, Backbone
from digitsum.model.model_file import read_model
from digitsum.params.model import ModelParams
from digitsum.strips.dataset import Description


def initial_model(params: ModelParams, data: Description) -> SumModel:
    """A model whose backbone has the weights that `pretrained` or `init_from` ask for; all else is random.

    Raises:
        InputError: if those weights cannot be read or belong to another backbone.
    """
    backbone = BACKBONES[params.backbone](params)
    if params.init_from is not None:
        _load(backbone, params, Path(params.init_from))
    return SumModel(params, data, backbone)


def _load(backbone: Backbone, params: ModelParams, path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file; set `model.init_from` to a model file, or to null")
    other = read_model(path)
    for name in ("backbone",) if params.backbone.startswith("resnet") else ("backbone", "small_channels"):
        theirs, ours = getattr(other.params, name), getattr(params, name)
        if theirs != ours:
            raise InputError(
                f"{path}: has {name} {theirs}, but `model.{name}` is {ours}; set it to {theirs}, or "
                "`model.init_from` to another model"
            )
    backbone.load_state_dict(other.backbone.state_dict())
