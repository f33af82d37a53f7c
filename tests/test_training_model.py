"""A training step computes what the model does, with dropout and with recomposed strips of more digits."""

import numpy as np
import pytest
import torch

from digitsum.model.architecture import SumModel
from digitsum.model.processes import ProcessGroup
from digitsum.model.training_model import FeatureDropout, TrainingModel
from digitsum.params.model import ModelParams
from digitsum.strips.dataset import Description


def dropout(share: float, group: ProcessGroup | None = None, seed: int = 1) -> FeatureDropout:
    return FeatureDropout(share, 7, torch.Generator().manual_seed(seed), group or ProcessGroup())


@pytest.fixture
def strips(rng: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(rng.integers(0, 256, (7, 40, 168), dtype=np.uint8))


@pytest.fixture
def model(tiny_model_params: ModelParams, description: Description) -> SumModel:
    torch.manual_seed(0)
    return SumModel(tiny_model_params, description)


def test_first_strips_of_a_batch_may_have_more_digits(model: SumModel, strips: torch.Tensor) -> None:
    training_model = TrainingModel(model, dropout(0.0), recomposed_digits=8).eval()
    usual, more = model(strips), model.for_strips(8, 168).eval()(strips)
    torch.testing.assert_close(training_model(strips), usual)
    mixed = training_model(strips, 3)
    torch.testing.assert_close(mixed[:3], more[:3])
    torch.testing.assert_close(mixed[3:, :37], usual[3:])
    assert (mixed[3:, 37:] == -torch.inf).all()
    torch.testing.assert_close(training_model(strips, 7), more)  # a process's shard may have no others


def test_its_parameters_are_the_models(model: SumModel) -> None:
    training_model = TrainingModel(model, dropout(0.5), recomposed_digits=8)
    pairs = zip(training_model.parameters(), model.parameters(), strict=True)
    assert all(one is other for one, other in pairs)


def test_dropped_features_are_not_seen(model: SumModel, strips: torch.Tensor) -> None:
    """With all features dropped, all strips are the same."""
    training_model = TrainingModel(model, dropout(1 - 1e-9), recomposed_digits=8).train()
    predicted = training_model(strips)
    assert torch.equal(predicted, predicted[:1].expand_as(predicted))


def test_dropout_keeps_the_mean() -> None:
    features = torch.ones(7, 32, 5, 21)
    kept = dropout(0.2)(features)
    assert kept.unique().tolist() == pytest.approx([0, 1.25])
    assert kept.mean().item() == pytest.approx(1, abs=5 * 0.5 / kept.numel() ** 0.5)


def test_no_dropout_draws_no_random_numbers() -> None:
    features = torch.randn(7, 3, 2, 2)
    for layer in (dropout(0.0), dropout(0.5).eval()):
        before = layer.generator.get_state()
        assert torch.equal(layer(features), features)
        assert torch.equal(layer.generator.get_state(), before)


def test_processes_together_drop_what_one_does() -> None:
    features = torch.randn(7, 32, 5, 21)
    groups = [ProcessGroup(rank, 3) for rank in range(3)]
    shards = [dropout(0.4, group)(group.shard(features)) for group in groups]
    assert torch.equal(torch.cat(shards), dropout(0.4)(features))
