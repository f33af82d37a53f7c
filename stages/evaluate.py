"""Judges the model on the test strips: figures with their intervals, slices, calibration, and a row for each strip."""

from pathlib import Path

import numpy as np
import pandas as pd

from digitsum import stage
from digitsum.analysis import predictions
from digitsum.analysis.calibration import reliability, risk_by_coverage
from digitsum.analysis.metrics import against_truth, by_slice, headline, scores, summarise
from digitsum.analysis.params import EvaluateParams
from digitsum.analysis.slices import TOUCHING, slices
from digitsum.errors import InputError
from digitsum.files import sha256, whole_folder, write_json
from digitsum.model.devices import describe, prepare
from digitsum.model.network import Prediction, SumModel
from digitsum.model.temperature import temper
from digitsum.params import read_params
from digitsum.strips.dataset import Description, Strips, Truth
from digitsum.tracking.tracker import tracked

PROCESSED = Path("data/processed")
TEST = (PROCESSED / "test" / "strips.npy", PROCESSED / "test" / "sums.npy")
MODEL = Path("models/model.safetensors")
METRICS = Path("reports/metrics.json")
PREDICTIONS = Path("reports/predictions.csv")
EVALUATION = Path("reports/evaluation")


def main() -> None:
    evaluate = read_params()[EvaluateParams]
    with tracked("evaluate") as tracker:
        tracker.params("evaluate", evaluate.model_dump())
        tracker.data(PROCESSED, "testing")
        device = prepare(evaluate.device, evaluate.threads, "evaluate.device", evaluate.arithmetic)
        tracker.tags(describe(device))
        model = SumModel.read(MODEL).to(device)
        tracker.params("model", model.params.model_dump())
        tracker.params("trained_on", model.trained_on)
        require_fit(model, Description.read(PROCESSED / "dataset.json"))
        test, truth = Strips.read(PROCESSED / "test"), Truth.read(PROCESSED / "test" / "truth")
        said = model.predict(test.images, evaluate.batch_size)
        given_sum = read_again(model, said, test, evaluate.batch_size)

        numbers = {"read": said.digits, "centres": said.centres}
        numbers |= {"read_given_sum": given_sum.digits, "centres_given_sum": given_sum.centres}
        numbers |= {"digits": truth.digits, "digit_centres": truth.centres} if truth is not None else {}
        table = predictions.tabulate(test.sums, said.log_probability, numbers)
        temperature = float(model.temperature)
        untempered = temper(said.log_probability, 1 / temperature)
        figures = summarise(test.sums, said.log_probability, untempered)
        scored = scores(test.sums, said.log_probability)
        correct, sure = scored["accuracy"].to_numpy(), table["probability"].to_numpy()
        parts = slices(test.images, table, model.data.digits)
        metrics = headline(figures, correct, parts[TOUCHING], temperature)
        if truth is not None:
            metrics |= against_truth(correct, truth.digits, truth.centres, said.digits, said.centres)

        write_json(METRICS, {name: round(value, 6) for name, value in metrics.items()})
        predictions.write(table, PREDICTIONS)
        with whole_folder(EVALUATION) as folder:
            write_table(folder / "figures.csv", figures)
            write_table(folder / "slices.csv", by_slice(parts, scored))
            before = reliability(np.exp(untempered.max(axis=1)), correct)[["confidence", "accuracy"]]
            write_table(folder / "reliability.csv", reliability(sure, correct).join(before.add_prefix("untempered_")))
            write_table(folder / "coverage.csv", risk_by_coverage(sure, correct))
            write_json(folder / "origin.json", {str(path): sha256(path) for path in (*TEST, MODEL, PREDICTIONS)})
        print(f"evaluate: {metrics['accuracy']:.2%} of {len(test):,} test sums right")

        tracker.metrics(metrics)
        for path in (METRICS, PREDICTIONS, EVALUATION):
            tracker.file(path)


def read_again(model: SumModel, said: Prediction, test: Strips, batch_size: int) -> Prediction:
    """What was said, but with the likeliest readings that add up to the true sums."""
    if said.digits is None:
        return said
    # of the others it is the same reading
    wrong = (said.digits.sum(axis=1) != test.sums) | (said.log_probability.argmax(axis=1) != test.sums)
    digits, centres = said.digits.copy(), None if said.centres is None else said.centres.copy()
    if wrong.any():
        other = model.predict(test.images[wrong], batch_size, sums=test.sums[wrong])
        digits[wrong] = other.digits
        if centres is not None:
            centres[wrong] = other.centres
    return Prediction(said.log_probability, digits, centres)


def write_table(path: Path, table: pd.DataFrame) -> None:
    table.round(6).to_csv(path, index=False, lineterminator="\n")


def require_fit(model: SumModel, data: Description) -> None:
    """
    Raises:
        InputError: if the model was made for other strips than these.
    """
    for name in ("digits", "height", "width", "mean", "std"):
        made_for, there = getattr(model.data, name), getattr(data, name)
        if made_for != there:
            raise InputError(
                f"{MODEL}: made for strips with {name} {made_for}, but {PROCESSED} has {there}; run dvc repro train"
            )


if __name__ == "__main__":
    stage.run(main)
