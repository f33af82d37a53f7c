"""Analyzes which sums are taken for which: tables, pictures and one page."""

import pandas as pd

from digitsum import stage
from digitsum.analysis import pages, predictions
from digitsum.analysis.charts import draw_errors, draw_matrix, draw_strips
from digitsum.analysis.confusion import analyze
from digitsum.analysis.report import Evaluation, render_report
from digitsum.errors import InputError
from digitsum.files import sha256, whole_folder, write_json, write_text
from digitsum.formats import read_figures, read_json, read_table
from digitsum.inputs import held
from digitsum.model.header import read_header
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

TABLES = {  # of evaluate, and the columns that the report uses
    "figures": ("figure", "value", "low", "high", "untempered"),
    "slices": ("slice", "strips", "accuracy", "low", "high", "mae"),
    "reliability": ("confidence", "accuracy", "low", "high", "strips", "untempered_confidence", "untempered_accuracy"),
    "coverage": ("coverage", "risk", "probability"),
}


def main() -> None:
    params = read_params()[ConfusionParams]
    with tracked("confusion") as tracker, held("confusion"):
        tracker.params("confusion", params.model_dump())
        tracker.data(PROCESSED, "testing")
        require_predictions_of_this_model()
        highest = 9 * Description.read(PROCESSED / "dataset.json").digits
        test, table = Strips.read(PROCESSED / "test"), predictions.read(PREDICTIONS)
        tables = (
            read_table(EVALUATION / f"{name}.csv", columns, numeric=columns[name in ("figures", "slices") :])
            for name, columns in TABLES.items()
        )
        evaluation = Evaluation(read_figures(METRICS), *tables)

        confusion = analyze(table, highest)
        page = render_report(read_header(MODEL), evaluation, confusion, test.images, params.examples)
        worst = confusion.wrong.head(params.examples)
        charts = {
            "matrix": draw_matrix(confusion.matrix, by_row=False),
            "matrix_by_row": draw_matrix(confusion.matrix, by_row=True),
            "errors": draw_errors(confusion.errors),
            "worst": draw_strips(test.images[worst["strip"].to_numpy()], captions(worst)),
        }

        with whole_folder(CONFUSION) as folder:
            confusion.write(folder, table)
            for name, chart in charts.items():
                pages.write_png(chart, folder / f"{name}.png")
        write_text(REPORT, page)
        write_json(CONFUSION_METRICS, {name: round(value, 6) for name, value in confusion.metrics.items()})
        print(f"confusion: {len(confusion.wrong):,} mistakes analyzed; see {REPORT}")

        tracker.metrics(confusion.metrics)
        tracker.file(CONFUSION)
        tracker.file(REPORT)


def require_predictions_of_this_model() -> None:
    """
    Raises:
        InputError: if evaluate did not write the predictions from this model and these test strips.
    """
    origin = read_json(EVALUATION / "origin.json")
    for path in (*TEST, MODEL, PREDICTIONS):
        if not isinstance(origin, dict) or not path.is_file() or sha256(path) != origin.get(str(path)):
            fault = "changed since evaluate wrote it" if path == PREDICTIONS else f"not from this {path}"
            raise InputError(f"{PREDICTIONS}: {fault}, or missing; run dvc repro evaluate")


def captions(wrong: pd.DataFrame) -> list[str]:
    return [
        f"{row['sum']} taken for {row['predicted']} ({row['probability']:.0%}) {row['cause']}"
        for _, row in wrong.iterrows()
    ]


if __name__ == "__main__":
    stage.run(main)
