"""Judges the model on the test strips: metrics, calibration, and one row for each strip."""

from pathlib import Path

import numpy as np

from digitsum import stage
from digitsum.analysis import predictions
from digitsum.analysis.metrics import against_truth, calibration, summarise
from digitsum.analysis.params import EvaluateParams
from digitsum.errors import InputError
from digitsum.files import whole_file, write_json
from digitsum.model.devices import describe, prepare
from digitsum.model.network import SumModel
from digitsum.params import read_params
from digitsum.strips.dataset import Description, Strips, Truth
from digitsum.strips.ink import pieces
from digitsum.tracking.tracker import tracked

PROCESSED = Path("data/processed")
MODEL = Path("models/model.safetensors")
METRICS = Path("reports/metrics.json")
CALIBRATION = Path("reports/calibration.csv")
PREDICTIONS = Path("reports/predictions.csv")


def main() -> None:
    evaluate = read_params()[EvaluateParams]
    with tracked("evaluate") as tracker:
        tracker.params("evaluate", evaluate.model_dump())
        tracker.data(PROCESSED, "testing")
        device = prepare(evaluate.device, evaluate.threads, "evaluate.device")
        tracker.tags(describe(device))
        model = SumModel.read(MODEL).to(device)
        tracker.params("model", model.params.model_dump())
        tracker.params("trained_on", model.trained_on)
        require_fit(model, Description.read(PROCESSED / "dataset.json"))
        test, truth = Strips.read(PROCESSED / "test"), Truth.read(PROCESSED / "test" / "truth")

        said = model.predict(test.images, evaluate.batch_size)
        digits, centres = (None, None) if truth is None else (truth.digits, truth.centres)
        table = predictions.tabulate(test.sums, said.log_probability, said.digits, said.centres, digits, centres)
        correct = np.asarray(table["predicted"] == table["sum"])
        touching = np.array([len(pieces(strip)[0]) < model.data.digits for strip in test.images])
        metrics = summarise(test.sums, said.log_probability, touching)
        if truth is not None:
            metrics |= against_truth(correct, truth.digits, truth.centres, said.digits, said.centres)

        write_json(METRICS, {name: round(value, 6) for name, value in metrics.items()})
        predictions.write(table, PREDICTIONS)
        with whole_file(CALIBRATION) as temporary:
            calibration(table["probability"].to_numpy(), correct).to_csv(temporary, index=False)
        print(f"evaluate: {metrics['accuracy']:.2%} of {len(test):,} test sums right")

        tracker.metrics(metrics)
        for path in (METRICS, PREDICTIONS, CALIBRATION):
            tracker.file(path)


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
