"""Analyses which sums are taken for which, in tables, pictures and one page."""

from pathlib import Path

import numpy as np
import pandas as pd

from digitsum import stage
from digitsum.analysis import predictions
from digitsum.analysis.confusion import render_report, worst_mistakes, write_pictures
from digitsum.analysis.matrix import confusion_matrix, mistakes, per_sum, pooled, signed_errors
from digitsum.analysis.params import ConfusionParams
from digitsum.errors import InputError
from digitsum.files import read_json, whole_folder, write_json, write_text
from digitsum.params import read_params
from digitsum.strips.dataset import Description, Strips
from digitsum.tracking.tracker import tracked

PROCESSED = Path("data/processed")
PREDICTIONS = Path("reports/predictions.csv")
METRICS = Path("reports/metrics.json")
CONFUSION = Path("reports/confusion")
FIGURES = Path("reports/confusion.json")
REPORT = Path("reports/report.html")


def main() -> None:
    confusion = read_params()[ConfusionParams]
    with tracked("confusion") as tracker:
        tracker.params("confusion", confusion.model_dump())
        tracker.data(PROCESSED, "testing")
        highest = 9 * Description.read(PROCESSED / "dataset.json").digits
        test = Strips.read(PROCESSED / "test")
        table = predictions.read(PREDICTIONS)
        require_fit(table, test)
        metrics = read_json(METRICS)

        sums, predicted = table["sum"].to_numpy(), table["predicted"].to_numpy()
        matrix = confusion_matrix(sums, predicted, highest)
        errors = signed_errors(sums, predicted)
        every_sum = per_sum(matrix, pooled(matrix.sum(axis=1)))
        worst = worst_mistakes(table, confusion.examples)
        strips = test.images[worst["strip"].to_numpy()]
        figures = mistakes(sums, predicted)

        with whole_folder(CONFUSION) as folder:
            pd.DataFrame(matrix).to_csv(folder / "matrix.csv", index_label="true")
            every_sum.to_csv(folder / "per_sum.csv", index=False)
            worst.to_csv(folder / "worst.csv", index=False)
            # DVC counts the pairs itself, and orders numbers as such only if they come from JSON
            write_json(folder / "errors.json", errors.to_dict("records"))
            write_json(folder / "pairs.json", table[["sum", "predicted"]].to_dict("records"))
            write_pictures(folder, matrix, errors, worst, strips)
        write_text(REPORT, render_report(metrics, matrix, errors, every_sum, worst, strips))
        write_json(FIGURES, {name: round(value, 6) for name, value in figures.items()})
        print(f"confusion: {figures['mistakes']:,} mistakes analysed; see {REPORT}")

        tracker.metrics(figures)
        tracker.file(CONFUSION)
        tracker.file(REPORT)


def require_fit(table: pd.DataFrame, test: Strips) -> None:
    """
    Raises:
        InputError: if the predictions are of other strips than these.
    """
    if not np.array_equal(table["sum"], test.sums):
        raise InputError(
            f"{PREDICTIONS}: {len(table)} predictions that are not of the {len(test)} strips in {PROCESSED / 'test'}; "
            "run dvc repro evaluate"
        )


if __name__ == "__main__":
    stage.run(main)
