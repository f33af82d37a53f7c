"""The report page: metrics, slices, the confusion matrix, and pictures of strips with their readings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int, UInt8

from digitsum.analysis import pages
from digitsum.analysis.attribution import INFERRED, KNOWN, TYPES, matched
from digitsum.analysis.calibration import BINS
from digitsum.analysis.charts import draw_coverage, draw_errors, draw_reliability
from digitsum.analysis.confusion import Confusion
from digitsum.analysis.intervals import RESAMPLES
from digitsum.analysis.matrix import FEW
from digitsum.analysis.metrics import described
from digitsum.analysis.slices import AS_READ

PAIRS = 8  # of confused sums that the page shows
EXAMPLES_OF_PAIR = 3
DOUBTED = 24  # strips with a doubtful label that the page shows


@dataclass(frozen=True)
class Evaluation:
    """What the stage `evaluate` wrote: metrics.json, and its tables by metric, by slice, by bin and by coverage."""

    metrics: Mapping[str, float]
    figures: pd.DataFrame
    slices: pd.DataFrame
    reliability: pd.DataFrame
    coverage: pd.DataFrame


def example(strip: UInt8[np.ndarray, "h w"], row: Mapping[str, Any]) -> dict[str, Any]:
    """One row of the predictions with its picture, the digits `found` on it, and the `truth`, each with its place.

    Where the true digits are unknown, the likeliest reading that adds up to the true sum takes their place.
    """
    columns = KNOWN if row["digits"] else INFERRED
    digits, places, read, read_places = (row[name].split() for name in (*columns, "read", "centres"))
    truth = [{"digit": digit, "x": int(x)} for digit, x in zip(digits, places, strict=False)]
    found = [{"digit": digit, "x": int(x), "wrong": True} for digit, x in zip(read, read_places, strict=False)]
    for i, j in matched(*(np.array([each["x"] for each in some], int) for some in (truth, found))):
        found[j]["wrong"] = digits[i] != read[j]
    height, width = strip.shape
    return {**row, "picture": pages.png(strip), "height": height, "width": width, "found": found, "truth": truth}


def examples(images: UInt8[np.ndarray, "n h w"], rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [example(np.array(images[row["strip"]]), row) for row in records(rows)]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, as dictionaries by column."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def cells(matrix: Int[np.ndarray, "r c"]) -> list[dict[str, Any]]:
    """The cells that are not zero, with their share of the row, and logarithmic shades by count and by share."""
    rows, columns = np.nonzero(matrix)
    counts, shares = matrix[rows, columns], matrix[rows, columns] / matrix.sum(axis=1)[rows]
    shades = np.log1p(counts) / np.log1p(matrix.max()), np.clip(1 + np.log10(shares) / 3, 0.1, 1)
    names = ("true", "predicted", "strips", "share", "by_count", "by_share")
    values = (part.tolist() for part in (rows, columns, counts, shares, *shades))
    return [dict(zip(names, each, strict=True)) for each in zip(*values, strict=True)]


def digit_matrices(confusion: Confusion) -> dict[str, dict[str, Any]]:
    """The matrices of digits that there are, without the row and column of no digit if all of these are empty."""
    tables = {"inferred": confusion.inferred, "known": confusion.known}
    there = {name: counts for name, counts in tables.items() if counts is not None}
    size = TYPES if any(counts[-1].any() or counts[:, -1].any() for counts in there.values()) else TYPES - 1
    labels = [*map(str, range(10)), "none"][:size]
    return {name: {"cells": cells(counts[:size, :size]), "labels": labels} for name, counts in there.items()}


def render_report(
    model: Mapping[str, Any],
    evaluation: Evaluation,
    confusion: Confusion,
    images: UInt8[np.ndarray, "n h w"],
    shown: int,
) -> str:
    """The HTML page.

    `model` is the header of the model file, `images` are all test strips, and `shown` is the number of mistakes to show
    at most.
    """
    wrong, metrics = confusion.wrong, evaluation.metrics
    by_pair = dict(iter(wrong.groupby(["sum", "predicted"])))
    most = [
        pair | {"examples": examples(images, by_pair[pair["sum"], pair["predicted"]].head(EXAMPLES_OF_PAIR))}
        for pair in records(confusion.pairs.head(PAIRS))
    ]
    charts = {
        "reliability": pages.svg(draw_reliability(evaluation.reliability), "Accuracy against predicted probability"),
        "coverage": pages.svg(
            draw_coverage(evaluation.coverage, metrics["coverage_995"]),
            "Error rate against the share of strips answered",
        ),
        "errors": pages.svg(
            draw_errors(confusion.errors), "Strips with each difference between predicted and true sum"
        ),
    }
    return pages.render(
        "report.html",
        model=model,
        metrics=metrics,
        figures=[_with_own_interval(row, metrics) for row in records(evaluation.figures)],
        labels_may_be_wrong="strips_repeated" not in metrics,  # which is known only where the digits are
        slices=records(evaluation.slices),
        few=FEW,
        bins=BINS,
        resamples=RESAMPLES,
        by_reading=bool(evaluation.slices["slice"].str.endswith(AS_READ).any()),
        charts=charts,
        labels=[str(label) for label in range(len(confusion.matrix))],
        cells=cells(confusion.matrix),
        causes=_causes_by_error(confusion) if confusion.inferred is not None else [],
        digits=digit_matrices(confusion),
        confusion=confusion.metrics,
        pairs=most,
        sums=records(confusion.sums),
        mistakes=len(wrong),
        gallery=examples(images, wrong.head(shown)),
        doubted=examples(images, confusion.doubted.head(DOUBTED)),
        doubts=len(confusion.doubted),
    )


def _with_own_interval(row: dict[str, Any], metrics: Mapping[str, float]) -> dict[str, Any]:
    """A row of the table of metrics; a metric with an interval of its own has that one alone, on all of the page."""
    name = row["figure"]
    ends = {end: metrics[f"{name}_{end}"] for end in ("low", "high") if f"{name}_{end}" in metrics}
    return row | ends | {"metric": described(name)}


def _causes_by_error(confusion: Confusion) -> list[dict[str, Any]]:
    """Each error with its strips and its causes; the most frequent come first."""
    return [
        {"error": error, "strips": int(own["strips"].sum()), "causes": records(own[["cause", "strips"]])}
        for error, own in confusion.by_cause.groupby("error", sort=False)
    ]
