"""Glyphs are cut from strips that the model reads, and recomposed strips take their share of each batch."""

import numpy as np
import pytest
import torch
from samples import composed, expect_zeros, zeros_apart

from digitsum.model.architecture import SumModel
from digitsum.model.self_training import cut_glyphs, mixed_batch, readable, recomposed_digits
from digitsum.params.augment import AugmentParams
from digitsum.params.model import ModelParams
from digitsum.params.train import TrainParams
from digitsum.strips.cutting import Cuttings
from digitsum.strips.dataset import Description
from digitsum.strips.sources.digits import sklearn_digits


@pytest.mark.parametrize(
    ("chances", "wanted"),
    [
        ([0.99, 0.3, 0.001, 0.9], [0, 1, 3]),  # the third's sum is hardly possible
        ([0.99, 0.3, 0.1, 0.1], [0, 1, 2, 3]),  # two of four sums are predicted right
        ([0.99, 0.1, 0.1, 0.1], []),  # one of four is: readings that add up may do so by chance
        ([0.1, 0.1, 0.1, 0.1], []),
    ],
)
def test_strips_are_readable_given_their_sums_and_weigh_as_they_are_hard(
    chances: list[float], wanted: list[int]
) -> None:
    sums = np.array([5, 18, 30, 36])
    log_probability = np.full((4, 37), np.log(1e-6), np.float32)
    log_probability[np.arange(4), (sums + 1) % 37] = np.log(0.2)
    log_probability[np.arange(4), sums] = np.log(chances)
    rows, weights = readable(log_probability, sums, sure=0.05, hard=0.5)
    assert rows.tolist() == wanted
    losses = np.minimum(-np.log(np.array(chances)[wanted]), 2)
    np.testing.assert_allclose(weights, 0.5 + 0.5 * losses / losses.mean() if wanted else [], rtol=1e-4)


def test_glyphs_are_cut_out_with_their_digits(
    tiny_model_params: ModelParams, description: Description, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    strips = zeros_apart(16)
    cuttings = cut_glyphs(expect_zeros(SumModel(tiny_model_params, description)), strips, sure=0.05, hard=0.5)
    assert cuttings is not None
    assert cuttings.digits.tolist() == 4 * 16 * [0]
    assert cuttings.glyphs.sum() == strips.images.sum()  # all ink
    assert "64 glyphs cut out of the 16 strips" in capsys.readouterr().out


def test_model_that_reads_too_little_cuts_nothing_out(
    tiny_model_params: ModelParams, description: Description, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    model = expect_zeros(SumModel(tiny_model_params, description))
    assert cut_glyphs(model, composed(16), sure=0.05, hard=0.5) is None
    assert "no glyphs cut out, since the model gets only 0.0% of the sums right" in capsys.readouterr().out


@pytest.mark.parametrize(("share", "made"), [(0.0, 0), (0.5, 8), (0.9, 14), (0.99, 15)])
def test_batch_keeps_an_original_strip(recipe: TrainParams, share: float, made: int) -> None:
    glyphs, strips = sklearn_digits(), composed(16)
    images, sums = torch.from_numpy(strips.images), torch.from_numpy(strips.sums)
    still = AugmentParams(rotate=0.0, shear=0.0, scale=0.0, shift=0.0, elastic=0.0)
    recompose = recipe.recompose.model_copy(update={"share": share, "augment": still})
    cuttings = Cuttings.weighted(glyphs.images, glyphs.digits, np.ones(1797))
    batch, labels, count = mixed_batch(images, sums, still, cuttings, 8, recompose, torch.Generator().manual_seed(1))
    assert count == made
    torch.testing.assert_close(batch[made:], images[made:].float(), rtol=0, atol=1e-2)
    assert torch.equal(labels[made:], sums[made:])
    assert batch.shape == images.shape
    assert torch.equal(labels[:made], sums[:made]) == (made == 0)


def test_without_cuttings_nothing_is_recomposed(recipe: TrainParams) -> None:
    strips = composed(16)
    images, sums = torch.from_numpy(strips.images), torch.from_numpy(strips.sums)
    rng = torch.Generator().manual_seed(1)
    _, labels, count = mixed_batch(images, sums, recipe.augment, None, 8, recipe.recompose, rng)
    assert count == 0
    assert torch.equal(labels, sums)


@pytest.mark.parametrize(("width", "spacing", "least", "digits"), [(168, 20, 4, 8), (168, 48, 4, 4), (28, 20, 1, 1)])
def test_recomposed_strip_has_a_digit_for_each_spacing(width: int, spacing: int, least: int, digits: int) -> None:
    assert recomposed_digits(width, spacing, least) == digits
