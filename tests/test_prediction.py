"""Predictions do not depend on how strips are batched, and readings are in pixels of the strip."""

import numpy as np
import pytest

from digitsum.model.architecture import SumModel
from digitsum.model.prediction import predict
from digitsum.model.temperature import best_temperature, temper


def test_prediction_does_not_depend_on_the_batch(model: SumModel, strips: np.ndarray) -> None:
    together, apart = predict(model, strips), predict(model, strips, batch_size=2)
    np.testing.assert_allclose(together.log_probability, apart.log_probability, rtol=1e-4, atol=1e-5)
    assert np.array_equal(together.digits, apart.digits)
    np.testing.assert_allclose(np.exp(together.log_probability).sum(axis=1), 1, rtol=1e-5)


def test_no_strips_have_no_predictions(model: SumModel, strips: np.ndarray) -> None:
    predicted = predict(model, strips[:0])
    assert predicted.log_probability.shape == (0, 37)
    assert predicted.digits is not None
    assert predicted.digits.shape == (0, 4)


def test_reading_of_known_sums_adds_up_to_them(model: SumModel, strips: np.ndarray) -> None:
    free, sums = predict(model, strips), np.array([0, 5, 9, 18, 27, 35, 36])
    predicted = predict(model, strips, batch_size=2, sums=sums)
    assert predicted.digits.sum(axis=1).tolist() == sums.tolist()
    assert (np.diff(predicted.centres, axis=1) >= model.backbone.stride).all()
    np.testing.assert_allclose(predicted.log_probability, free.log_probability, rtol=1e-4, atol=1e-5)
    likeliest = free.log_probability.argmax(axis=1)
    wrong = free.digits.sum(axis=1) != likeliest
    again = predict(model, strips, sums=likeliest)
    assert np.array_equal(again.digits[~wrong], free.digits[~wrong])


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_best_temperature_undoes_what_was_done(rng: np.random.Generator, true_temperature: float) -> None:
    """Sums are drawn from known distributions, whose temperature is then changed."""
    honest = temper(2 * rng.standard_normal((4000, 37)), 1.0)
    sums = np.array([rng.choice(37, p=np.exp(row)) for row in honest])
    found = best_temperature(temper(honest, 1 / true_temperature), sums)
    assert found == pytest.approx(true_temperature, rel=0.05)


def test_centres_are_in_pixels_of_the_strip(model: SumModel, strips: np.ndarray) -> None:
    centres = predict(model, strips).centres
    assert centres.shape == (7, 4)
    assert (np.diff(centres, axis=1) >= model.backbone.stride).all()
    assert centres.min() >= 0
    assert centres.max() < 168


@pytest.mark.parametrize("shifts", [(0,), (-3, 0, 3)])
def test_probabilities_are_means_over_shifts(model: SumModel, strips: np.ndarray, shifts: tuple[int, ...]) -> None:
    def moved(shift: int) -> np.ndarray:
        canvas = np.zeros_like(strips)
        target, source = slice(max(shift, 0), 168 + min(shift, 0)), slice(max(-shift, 0), 168 - max(shift, 0))
        canvas[:, :, target] = strips[:, :, source]
        return np.exp(predict(model, canvas, shifts=(0,)).log_probability)

    predicted = predict(model, strips, shifts=shifts)
    np.testing.assert_allclose(
        np.exp(predicted.log_probability), np.mean([moved(shift) for shift in shifts], axis=0), rtol=1e-4, atol=1e-6
    )


def test_places_do_not_move_with_the_shift(model: SumModel, strips: np.ndarray) -> None:
    still, moved = (predict(model, strips[:, :, :], shifts=(shift,)).centres for shift in (0, 8))
    inside = slice(1, -1)  # what is at the edge changes
    assert np.median(np.abs(still[:, inside] - moved[:, inside])) == 0


def test_black_to_the_right_changes_nothing_up_to_a_column(model: SumModel, strips: np.ndarray) -> None:
    wider = np.pad(strips, ((0, 0), (0, 0), (0, 3)))
    filled = np.pad(strips, ((0, 0), (0, 0), (0, 8)))
    one, other = (predict(model.for_strips(4, image.shape[2]), image) for image in (wider, filled))
    assert np.array_equal(one.log_probability, other.log_probability)
    assert np.array_equal(one.digits, other.digits)
