"""Training follows the learning curve that it followed before, stops when it must, and repeats its bits."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import composed

from digitsum.errors import InputError
from digitsum.model import learning_curve
from digitsum.model.architecture import SumModel
from digitsum.model.learning_curve import Epoch
from digitsum.model.model_file import read_model, write_model
from digitsum.model.optimizers import one_cycle
from digitsum.model.prediction import predict
from digitsum.model.processes import ProcessGroup
from digitsum.model.training import Training, fit
from digitsum.params.augment import AugmentParams
from digitsum.params.model import ModelParams
from digitsum.params.train import RecomposeParams, TrainParams
from digitsum.strips.dataset import Description, Strips

AUGMENT = AugmentParams(rotate=5.0, shear=0.1, scale=0.1, shift=2.0, elastic=0.0)
# loss of each of 20 steps on the same 16 strips; on other processors the last digits differ
GOLDEN = [
    5.055, 5.020, 4.961, 4.986, 4.886, 4.880, 4.840, 4.785, 4.757, 4.675,
    4.803, 4.488, 4.573, 4.566, 4.484, 4.430, 4.393, 4.373, 4.285, 4.411,
]  # fmt: skip


@pytest.fixture(scope="module")
def strips() -> Strips:
    return composed(16)


def trained(
    strips: Strips, architecture: ModelParams, recipe: TrainParams, description: Description
) -> tuple[SumModel, list[Epoch]]:
    torch.manual_seed(recipe.seed)
    model = SumModel(architecture, description)
    curve: list[Epoch] = []
    averaged = fit(model, strips, strips, recipe, lambda epoch, _: curve.append(epoch))
    return averaged, curve


def test_golden_loss_curve(strips: Strips, tiny_model_params: ModelParams, description: Description) -> None:
    recipe = TrainParams(
        seed=1,
        device="cpu",
        arithmetic="fastest",
        threads=1,
        processes=1,
        epochs=20,
        batch_size=16,
        learning_rate=0.02,
        other_learning_rate=0.004,
        warmup=0.2,
        last_rate=0.0,
        weight_decay=0.05,
        clip_norm=1.0,
        average_decay=0.998,
        dropout=0.0,
        augment=AUGMENT,
        recompose=RecomposeParams(
            share=0, cut_at=(), strips=16, sure=0.9, hard=0.5, spacing=20, nearest=14, augment=AUGMENT
        ),
    )
    _, curve = trained(strips, tiny_model_params, recipe, description)
    np.testing.assert_allclose([epoch.train_loss for epoch in curve], GOLDEN, rtol=0.01)


def test_same_seed_same_bits_and_other_seed_others(
    strips: Strips, tiny_model_params: ModelParams, recipe: TrainParams, description: Description
) -> None:
    def weights(seed: int) -> bytes:
        averaged, _ = trained(strips, tiny_model_params, recipe.model_copy(update={"seed": seed}), description)
        return b"".join(tensor.numpy().tobytes() for tensor in averaged.state_dict().values())

    assert weights(1) == weights(1)
    assert weights(1) != weights(2)


def test_batch_larger_than_the_data_is_refused(
    strips: Strips, tiny_model_params: ModelParams, recipe: TrainParams, description: Description
) -> None:
    with pytest.raises(InputError, match=r"`train\.batch_size` is 17, but there are only 16 .*; 2 to 16 would do"):
        trained(strips, tiny_model_params, recipe.model_copy(update={"batch_size": 17}), description)


def test_batch_larger_than_memory_is_refused(
    strips: Strips, tiny_model_params: ModelParams, recipe: TrainParams, description: Description
) -> None:
    def out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    training = Training(SumModel(tiny_model_params, description), strips, recipe, ProcessGroup())
    training.run_update = out_of_memory
    with pytest.raises(InputError, match=r"`train\.batch_size` is 16, too much for the memory of cpu; lower"):
        training.train_step()


def test_loss_that_is_not_finite_stops_training(
    strips: Strips, tiny_model_params: ModelParams, recipe: TrainParams, description: Description
) -> None:
    broken = Description(**{**description.__dict__, "std": 1e-45})
    with pytest.raises(
        InputError, match=r"the loss is nan by step 1 of 1, at a learning rate of .*; lower `train\.learning_rate`"
    ):
        trained(strips, tiny_model_params, recipe, broken)


def test_gradients_that_are_not_finite_stop_training(
    strips: Strips, tiny_model_params: ModelParams, recipe: TrainParams, description: Description
) -> None:
    """The last step's gradients too, which no later loss shows."""
    model = SumModel(tiny_model_params, description)
    next(model.parameters()).register_hook(lambda gradient: gradient * torch.nan)
    with pytest.raises(InputError, match="the loss is nan by step 1 of 1"):
        fit(model, strips, strips, recipe, lambda *_: None)


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("warmup", [0.001, 0.1, 0.999])
@pytest.mark.parametrize("last", [0.0, 0.06, 1.0])
def test_one_cycle_rises_to_its_peak_and_falls_nearly_to_its_last(steps: int, warmup: float, last: float) -> None:
    rates = [one_cycle(step, steps, warmup, last) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    if steps == 1000:
        assert rates[peak] == pytest.approx(1, abs=1e-3)
        assert last < rates[-1] < last + 0.51 or last == rates[-1] == 1
        if warmup < 0.5:
            assert rates[-1] == pytest.approx(last, abs=1e-5)
        assert peak == pytest.approx(warmup * steps, abs=1)


@pytest.mark.parametrize(
    ("epochs", "batch_size", "steps"), [(1, 16, [1]), (2, 4, [2, 4, 6, 8]), (2, 3, [2, 4, 5, 7, 9, 10])]
)
def test_training_curve_has_the_means_of_every_few_steps(
    strips: Strips,
    tiny_model_params: ModelParams,
    recipe: TrainParams,
    description: Description,
    monkeypatch: pytest.MonkeyPatch,
    epochs: int,
    batch_size: int,
    steps: list[int],
) -> None:
    monkeypatch.setattr(learning_curve, "POINTS", 4)
    recipe = recipe.model_copy(update={"epochs": epochs, "batch_size": batch_size})
    training = Training(SumModel(tiny_model_params, description), strips, recipe, ProcessGroup())

    def update(*_: object) -> None:
        """The loss of each strip is the number of the step, and half of the sums are right."""
        loss, hits = batch_size * torch.tensor([training.step + 1, 0.5])
        training.totals.add(loss, hits, batch_size)

    monkeypatch.setattr(training, "run_update", update)
    while training.step < training.steps:
        training.train_step()
        if training.at_epoch_end:
            training.end_epoch(strips)
    curve = [row for row, _ in training.curve]
    points = [point for row in curve for point in row.points]
    assert [point.step for point in points] == steps
    assert [point.train_loss for point in points] == [
        np.mean(range(first + 1, last + 1)) for first, last in pairwise([0, *steps])
    ]
    assert {point.train_accuracy for point in points} == {0.5}
    assert [row.points[-1].step for row in curve] == [row.step for row in curve]


def test_curve_is_of_the_averaged_model(
    strips: Strips, tiny_model_params: ModelParams, recipe: TrainParams, description: Description, tmp_path: Path
) -> None:
    averaged, curve = trained(strips, tiny_model_params, recipe, description)
    write_model(averaged, tmp_path / "model.safetensors")
    model = read_model(tmp_path / "model.safetensors")

    def loss(**words: object) -> float:
        return -predict(model, strips.images, **words).log_probability[np.arange(16), strips.sums].mean()

    tempered = loss()
    model.temperature.fill_(1)  # it is fitted at the end, so that of the curve is one
    assert curve[-1].val_loss == pytest.approx(loss(shifts=(0,)), rel=1e-5)
    assert tempered < loss()
