"""Evaluates the model on the test strips: metrics with intervals, slices, calibration, and a row for each strip."""

import pandas as pd

from digitsum import stage
from digitsum.analysis import predictions
from digitsum.analysis.calibration import reliability_with_untempered, risk_by_coverage
from digitsum.analysis.evidence import Evidence
from digitsum.analysis.metric_intervals import with_intervals
from digitsum.analysis.metrics import measure, scores
from digitsum.analysis.slices import TOUCHING, by_slice, slices
from digitsum.errors import InputError
from digitsum.files import sha256, whole_folder, write_json
from digitsum.inputs import held
from digitsum.model.architecture import SumModel
from digitsum.model.devices import describe, prepare
from digitsum.model.model_file import read_model
from digitsum.model.precision import is_faster_in_bfloat16
from digitsum.model.prediction import Prediction, predict
from digitsum.model.temperature import temper
from digitsum.params.evaluate import EvaluateParams
from digitsum.params.loader import read_params
from digitsum.places import EVALUATION, METRICS, MODEL, PREDICTIONS, PROCESSED, TEST
from digitsum.strips.dataset import Description, Strips, Truth
from digitsum.tracking.recording.tracker import tracked


def main() -> None:
    params = read_params()[EvaluateParams]
    with tracked("evaluate") as tracker, held("evaluate"):
        tracker.params("evaluate", params.model_dump())
        tracker.data(PROCESSED, "testing")
        device = prepare(params.device, params.threads, "evaluate.device", params.arithmetic)
        model = read_model(MODEL).to(device)
        model.in_bfloat16 = is_faster_in_bfloat16(model)
        tracker.tags(describe(device, model.in_bfloat16))
        tracker.params("model", model.params.model_dump())
        tracker.params("trained_on", model.trained_on)
        require_same_form(model.data, Description.read(PROCESSED / "dataset.json"))
        test, truth = Strips.read(PROCESSED / "test"), Truth.read(PROCESSED / "test" / "truth")

        predicted = predict(model, test.images, params.batch_size)
        given_sum = read_given_sum(model, predicted, test, params.batch_size)
        table = tabulate(test, truth, predicted, given_sum)
        parts = slices(test.images, table, model.data.digits)
        temperature = float(model.temperature)
        evidence = Evidence(
            test.sums,
            predicted.log_probability,
            temper(predicted.log_probability, 1 / temperature),
            temperature,
            parts[TOUCHING],
            digits=None if truth is None else truth.digits,
            centres=None if truth is None else truth.centres,
            read=predicted.digits,
            read_centres=predicted.centres,
            glyphs=None if truth is None else truth.glyphs,
        )
        figures = with_intervals(evidence)
        metrics = measure(evidence, figures)

        write_json(METRICS, {name: round(value, 6) for name, value in metrics.items()})
        predictions.write(table, PREDICTIONS)
        correct, probability = evidence.correct, table["probability"].to_numpy()
        tables = {
            "figures": figures,
            "slices": by_slice(parts, scores(evidence), evidence.glyphs),
            "reliability": reliability_with_untempered(
                probability, evidence.untempered.max(axis=1), correct, evidence.glyphs
            ),
            "coverage": risk_by_coverage(probability, correct),
        }
        with whole_folder(EVALUATION) as folder:
            for name, own in tables.items():
                own.round(6).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
            write_json(folder / "origin.json", {str(path): sha256(path) for path in (*TEST, MODEL, PREDICTIONS)})
        print(f"evaluate: {metrics['accuracy']:.2%} of {len(test):,} test sums right")

        tracker.metrics(metrics)
        for path in (METRICS, PREDICTIONS, EVALUATION):
            tracker.file(path)


def require_same_form(model: Description, data: Description) -> None:
    """
    Raises:
        InputError: if the model was trained on other strips than `data` describes.
    """
    if mismatch := model.mismatch(data, of_pixels=True):
        name, made_for, there = mismatch
        raise InputError(
            f"{MODEL}: made for strips with {name} {made_for}, but {PROCESSED} has {there}; run dvc repro train"
        )


def read_given_sum(model: SumModel, predicted: Prediction, test: Strips, batch_size: int) -> Prediction:
    """The prediction with the likeliest readings that add up to the true sums."""
    if predicted.digits is None:
        return predicted
    # of the other strips, it is the reading that is there
    wrong = (predicted.digits.sum(axis=1) != test.sums) | (predicted.log_probability.argmax(axis=1) != test.sums)
    digits, centres = predicted.digits.copy(), None if predicted.centres is None else predicted.centres.copy()
    if wrong.any():
        other = predict(model, test.images[wrong], batch_size, sums=test.sums[wrong])
        digits[wrong] = other.digits
        if centres is not None:
            centres[wrong] = other.centres
    return Prediction(predicted.log_probability, digits, centres)


def tabulate(test: Strips, truth: Truth | None, predicted: Prediction, given_sum: Prediction) -> pd.DataFrame:
    """The table of predictions."""
    numbers = {"read": predicted.digits, "centres": predicted.centres}
    numbers |= {"read_given_sum": given_sum.digits, "centres_given_sum": given_sum.centres}
    if truth is not None:
        numbers |= {"digits": truth.digits, "digit_centres": truth.centres, "glyphs": truth.glyphs}
    return predictions.tabulate(test.sums, predicted.log_probability, numbers)


if __name__ == "__main__":
    stage.run(main)
