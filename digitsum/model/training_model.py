"""What a training step runs: the model with dropout, on batches whose first strips may be recomposed."""

import math
from typing import cast

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from digitsum.model.architecture import SumModel
from digitsum.model.processes import ProcessGroup


class FeatureDropout(nn.Module):
    """Sets a share of the features to zero and scales up the rest, so that their mean stays.

    The mask is drawn for the whole batch, so that several processes together drop what one would.
    """

    def __init__(self, share: float, batch_size: int, generator: torch.Generator, group: ProcessGroup):
        """
        Args:
            generator: on the device of the features.
        """
        super().__init__()
        self.share, self.batch_size, self.generator, self.group = share, batch_size, generator, group

    def forward(self, features: Float[Tensor, "n c i j"]) -> Float[Tensor, "n c i j"]:
        if not self.training or self.share == 0:
            return features  # and no random numbers are drawn
        whole = self.batch_size, *features.shape[1:]
        kept = torch.rand(whole, generator=self.generator, device=features.device) >= self.share
        return features * self.group.shard(kept / (1 - self.share))


class TrainingModel(nn.Module):
    """Maps a batch of strips to log P(sum). Its parameters are those of `model`."""

    def __init__(self, model: SumModel, dropout: FeatureDropout, recomposed_digits: int):
        """
        Args:
            recomposed_digits: on each recomposed strip, at least as many as on the others.
        """
        super().__init__()
        self.model, self.dropout, self.recomposed_digits = model, dropout, recomposed_digits

    def forward(self, strips: Shaped[Tensor, "n h w"], recomposed: int = 0) -> Float[Tensor, "n s"]:
        """
        Args:
            recomposed: how many strips, the first ones, are recomposed. The sums that only they can have get minus
                infinity for the others. The head must take any width.
        """
        features = self.dropout(self.model.features(strips))
        if recomposed == 0:
            return self.model.head(features)
        if recomposed == len(features):
            return self.model.head.log_sum(features, self.recomposed_digits)
        first = self.model.head.log_sum(features[:recomposed], self.recomposed_digits)
        rest = self.model.head(features[recomposed:])
        impossible = rest.new_full((len(rest), first.shape[1] - rest.shape[1]), -math.inf)
        return torch.cat([first, torch.cat([rest, impossible], dim=1)])

    def __call__(self, strips: Shaped[Tensor, "n h w"], recomposed: int = 0) -> Float[Tensor, "n s"]:
        return cast(Tensor, super().__call__(strips, recomposed))
