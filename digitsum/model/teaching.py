"""Models that teach another: what they believe of a strip says more than its label, of those never labelled, too."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from digitsum.errors import InputError
from digitsum.model.heads import Columns
from digitsum.model.network import SumModel
from digitsum.model.params import TrainParams


class Teachers:
    """Several models as one distribution: Hinton et al., Distilling the Knowledge in a Neural Network, 2015."""

    def __init__(self, recipe: TrainParams, pupil: SumModel):
        """Those that the recipe names.

        Raises:
            InputError: if a file is missing, no model, of other strips than the pupil's, or without a say on recomposed
                strips where there are any.
        """
        recomposed = recipe.recompose.share > 0 and isinstance(pupil.head, Columns)
        self.models = [_read(Path(file), pupil, recomposed) for file in recipe.teachers]

    @torch.no_grad()
    def beliefs(self, strips: Float[Tensor, "n h w"], dense: int, k: int) -> Float[Tensor, "n s"]:
        """P(sum) of strips, the first `dense` with `k` digits: the normalised geometric mean over the models."""
        said = [model(strips, None, dense, k).log_softmax(-1) for model in self.models]
        return torch.stack(said).mean(0).softmax(-1)


def cross_entropy(log_probability: Float[Tensor, "n s"], beliefs: Float[Tensor, "n s"]) -> Float[Tensor, ""]:
    """The sum over strips; what is impossible for both costs nothing."""
    return -(beliefs * log_probability.where(beliefs > 0, 0)).sum()


def _read(path: Path, pupil: SumModel, recomposed: bool) -> SumModel:
    if not path.exists():
        raise InputError(f"{path}: no such file; name model files in `train.teachers`, or none")
    model = SumModel.read(path)
    if mismatch := model.data.mismatch(pupil.data):
        name, theirs, ours = mismatch
        raise InputError(
            f"{path}: has learnt from strips of {name} {theirs}, these have {ours}; "
            "name others in `train.teachers`, or none"
        )
    if recomposed and not isinstance(model.head, Columns):
        raise InputError(
            f"{path}: the head {model.params.head} says nothing of recomposed strips; set `train.recompose.share: 0`, "
            "or name models with the head columns in `train.teachers`"
        )
    return model.to(pupil.offset).eval()  # its device, and its precision
