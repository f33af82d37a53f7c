"""The recipe of params.yaml learns to read from sums: self-training with recomposed strips and all."""

import numpy as np
import pytest
import torch

from digitsum.model.architecture import SumModel
from digitsum.model.learning_curve import Epoch
from digitsum.model.prediction import predict
from digitsum.model.training import fit
from digitsum.params.loader import Params
from digitsum.params.model import ModelParams
from digitsum.params.train import TrainParams
from digitsum.strips.compose import Layout, compose
from digitsum.strips.dataset import Description
from digitsum.strips.glyphs import Glyphs
from digitsum.strips.sources.digits import sklearn_digits

FLOOR = 0.8  # of the sums; two seeds reached 0.97 and 0.985


def test_the_shipped_recipe_learns(params: Params, capsys: pytest.CaptureFixture[str]) -> None:
    """With one digit on a strip, which is learned within seconds, and two on a recomposed strip."""
    glyphs, rng = sklearn_digits(), np.random.default_rng(0)
    layout = Layout(1, 40, 56, first_left=(0, 28), next_left=(14, 42), top=(0, 12))
    even = np.arange(len(glyphs.digits)) % 2 == 0
    (train, _), (val, _) = (
        compose(Glyphs(glyphs.images[part], glyphs.digits[part], glyphs.reserved[part]), layout, count, rng)
        for part, count in ((even, 1500), (~even, 200))
    )
    torch.manual_seed(1)
    model = SumModel(params[ModelParams], Description("digits", digits=1, height=40, width=56, mean=0.1, std=0.25))
    recipe = params[TrainParams].model_copy(update={"epochs": 2})
    curve: list[Epoch] = []
    averaged = fit(model, train, val, recipe, lambda epoch, _: curve.append(epoch))
    assert "glyphs cut out of the" in capsys.readouterr().out, "self-training never began"
    assert len(curve) == 2
    assert (predict(averaged, val.images).log_probability.argmax(axis=1) == val.sums).mean() > FLOOR
