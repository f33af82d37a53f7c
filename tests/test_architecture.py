"""Models are built for strips of any size; columns are where the strip has them."""

from dataclasses import asdict, replace
from typing import get_args

import numpy as np
import pytest
import torch

from digitsum.errors import InputError
from digitsum.model.architecture import SumModel
from digitsum.model.backbones import BACKBONES
from digitsum.model.prediction import predict, predict_counts
from digitsum.params.model import ModelParams
from digitsum.strips.dataset import Description


def test_params_name_the_backbones() -> None:
    assert set(get_args(ModelParams.model_fields["backbone"].annotation)) == set(BACKBONES)


@pytest.mark.parametrize("backbone", ["small", "medium", "large", "resnet18"])
def test_column_is_centred_on_its_pixel(
    tiny_model_params: ModelParams, description: Description, backbone: str
) -> None:
    """A dot moves the features of the column that it is over more than those of any other."""
    torch.manual_seed(0)
    model = SumModel(tiny_model_params.model_copy(update={"backbone": backbone}), description).eval()
    dark = torch.zeros(1, 40, 168)
    for column in (5, 10, 15):
        dot = dark.clone()
        dot[:, 10:30, model.backbone.stride * column] = 255
        moved = (model.features(dot) - model.features(dark)).abs().sum((0, 1, 2))
        weights = moved / moved.sum()
        centre = (weights * torch.arange(len(weights))).sum().item()
        assert abs(centre - column) < 0.5


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize(("height", "width"), [(40, 168), (33, 170)])
def test_strides_give_the_size_of_the_feature_map(
    tiny_model_params: ModelParams, description: Description, backbone: str, height: int, width: int
) -> None:
    data = replace(description, height=height, width=width)
    model = SumModel(tiny_model_params.model_copy(update={"backbone": backbone}), data).eval()
    assert tuple(model.features(torch.zeros(1, height, width)).shape[1:]) == model.feature_shape


@pytest.mark.parametrize("digits", [1, 2, 8])
def test_other_strips(tiny_model_params: ModelParams, description: Description, digits: int) -> None:
    data = replace(description, digits=digits, height=33, width=42 * digits)
    model = SumModel(tiny_model_params, data)
    assert model(torch.zeros(2, 33, 42 * digits)).shape == (2, 9 * digits + 1)


def test_strip_with_fewer_columns_than_digits_is_refused(
    tiny_model_params: ModelParams, description: Description
) -> None:
    with pytest.raises(InputError, match=r"strip\.width leaves 4 columns of the feature map for 8 digits"):
        SumModel(tiny_model_params, replace(description, digits=8, width=28))


def test_description_with_more_than_is_known_here_is_refused(description: Description) -> None:
    with pytest.raises(ValueError, match="polarity"):
        Description(**asdict(description), polarity="dark")


def test_columns_read_strips_of_other_counts_and_widths(model: SumModel, strips: np.ndarray) -> None:
    wide = np.concatenate([strips, strips], axis=2)
    other = model.for_strips(8, 336)
    predicted = predict(other, wide)
    assert predicted.log_probability.shape == (7, 73)
    assert predicted.digits.shape == predicted.centres.shape == (7, 8)
    counts = predict_counts(other, wide, 42)
    np.testing.assert_allclose(np.exp(counts).sum(axis=1), 1, rtol=1e-4)
    for count in (3, 8):  # the probability of a count is what is left of the sums
        left = np.exp(model.for_strips(count, 336).eval()(torch.from_numpy(wide)).detach().numpy()).sum(axis=1)
        np.testing.assert_allclose(np.exp(counts[:, count]), left, atol=1e-5)


@pytest.mark.parametrize("head", ["direct", "slots"])
def test_other_heads_read_one_count_alone(tiny_model_params: ModelParams, description: Description, head: str) -> None:
    model = SumModel(tiny_model_params.model_copy(update={"head": head}), description)
    with pytest.raises(InputError, match=f"the head {head} reads 4 digits on 168 pixels and nothing else"):
        model.for_strips(5, 210)
