"""Analyses which sums are taken for which, in tables, pictures and one page."""

import pandas as pd

from digitsum import stage
from digitsum.analysis import pages, predictions
from digitsum.analysis.charts import draw_errors, draw_matrix, draw_strips
from digitsum.analysis.confusion import analyse
from digitsum.analysis.report import Evaluation, render_report
from digitsum.errors import InputError
from digitsum.files import sha256, whole_folder, write_json, write_text
from digitsum.formats import read_json
from digitsum.params.confusion import ConfusionParams
from digitsum.params.loader import read_params
from digitsum.places import (
    CONFUSION,
    CONFUSION_METRICS,
    EVALUATION,
    METRICS,
    MODEL,
    PREDICTIONS,
    PROCESSED,
    REPORT,
    TEST,
)
from digitsum.strips.dataset import Description, Strips
from digitsum.tracking.recording.tracker import tracked


def main() -> None:
    params = read_params()[ConfusionParams]
    with tracked("confusion") as tracker:
        tracker.params("confusion", params.model_dump())
        tracker.data(PROCESSED, "testing")
        require_fit()
        highest = 9 * Description.read(PROCESSED / "dataset.json").digits
        test, table = Strips.read(PROCESSED / "test"), predictions.read(PREDICTIONS)
        names = ("figures", "slices", "reliability", "coverage")
        evaluation = Evaluation(read_json(METRICS), *(pd.read_csv(EVALUATION / f"{name}.csv") for name in names))

        confusion = analyse(table, highest)
        worst = confusion.wrong.head(params.examples)
        page = render_report(evaluation, confusion, test.images, params.examples)

        with whole_folder(CONFUSION) as folder:
            confusion.write(folder, table)
            pages.write_png(draw_matrix(confusion.matrix, by_row=False), folder / "matrix.png")
            pages.write_png(draw_matrix(confusion.matrix, by_row=True), folder / "matrix_by_row.png")
            pages.write_png(draw_errors(confusion.errors), folder / "errors.png")
            captions = [
                f"{row['sum']} taken for {row['predicted']} ({row['probability']:.0%}) {row['cause']}"
                for _, row in worst.iterrows()
            ]
            pages.write_png(draw_strips(test.images[worst["strip"].to_numpy()], captions), folder / "worst.png")
        write_text(REPORT, page)
        write_json(CONFUSION_METRICS, {name: round(value, 6) for name, value in confusion.figures.items()})
        print(f"confusion: {len(confusion.wrong):,} mistakes analysed; see {REPORT}")

        tracker.metrics(confusion.figures)
        tracker.file(CONFUSION)
        tracker.file(REPORT)


def require_fit() -> None:
    """
    Raises:
        InputError: if the predictions are not what evaluate wrote of this model and these strips.
    """
    origin = read_json(EVALUATION / "origin.json")
    for path in (*TEST, MODEL, PREDICTIONS):
        if not path.is_file() or sha256(path) != origin.get(str(path)):
            fault = "changed since it was written" if path == PREDICTIONS else f"not made of this {path}"
            raise InputError(f"{PREDICTIONS}: {fault}, or missing; run dvc repro evaluate")


if __name__ == "__main__":
    stage.run(main)
