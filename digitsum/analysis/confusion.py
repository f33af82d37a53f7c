"""Which sums are taken for which, and the mistakes behind it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int, UInt8
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from digitsum.analysis import pages


def worst_mistakes(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """The wrong predictions that were surest of themselves, surest first."""
    wrong = table[table["predicted"] != table["sum"]]
    return wrong.sort_values(["probability", "strip"], ascending=[False, True], kind="stable").head(count)


def draw_matrix(matrix: Int[np.ndarray, "s s"]) -> Figure:
    figure = Figure(figsize=(7.5, 6.5), layout="constrained")
    axes = figure.add_subplot()
    shown = np.where(matrix == 0, np.nan, matrix.astype(float))
    picture = axes.imshow(shown, cmap="viridis", norm=LogNorm(vmin=1, vmax=max(2, matrix.max())))
    figure.colorbar(picture, label="strips (logarithmic)")
    axes.set(xlabel="predicted sum", ylabel="true sum")
    return figure


def draw_errors(errors: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.add_subplot()
    axes.bar(errors["error"], errors["strips"], color="#c8553d")
    axes.set(xlabel="predicted minus true sum", ylabel="strips")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_mistakes(strips: UInt8[np.ndarray, "m h w"], mistakes: pd.DataFrame) -> Figure:
    """The strips of `mistakes`, with truth, prediction and reading."""
    columns = 4
    rows = max(1, -(-len(mistakes) // columns))
    figure = Figure(figsize=(11, 0.95 * rows + 0.2), layout="constrained")
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, strip, (_, mistake) in zip(figure.axes, strips, mistakes.iterrows(), strict=False):
        axes.imshow(strip, cmap="gray", vmin=0, vmax=255)
        axes.set_title(
            f"{mistake['sum']} taken for {mistake['predicted']} ({mistake['probability']:.0%})"
            + (f", read {mistake['read']}" if mistake["read"] else ""),
            fontsize=7,
            pad=2,
        )
    return figure


def cells(matrix: Int[np.ndarray, "s s"]) -> list[dict[str, Any]]:
    """The cells that are not zero, with their share of the row and how dark to paint them, on a logarithmic scale."""
    rows, columns = np.nonzero(matrix)
    darkest = np.log1p(matrix.max())
    return [
        {
            "true": int(row),
            "predicted": int(column),
            "strips": int(matrix[row, column]),
            "share": float(matrix[row, column] / matrix[row].sum()),
            "shade": float(np.log1p(matrix[row, column]) / darkest),
        }
        for row, column in zip(rows, columns, strict=True)
    ]


def render_report(
    metrics: dict[str, float],
    matrix: Int[np.ndarray, "s s"],
    errors: pd.DataFrame,
    sums: pd.DataFrame,
    mistakes: pd.DataFrame,
    strips: UInt8[np.ndarray, "m h w"],
) -> str:
    """The HTML page; `strips` are the images of `mistakes`."""
    gallery = [
        {"picture": pages.png(strip), **{str(key): value for key, value in mistake.items()}}
        for strip, (_, mistake) in zip(strips, mistakes.iterrows(), strict=True)
    ]
    return pages.render(
        "report.html",
        metrics=metrics,
        size=len(matrix),
        cells=cells(matrix),
        errors=pages.svg(draw_errors(errors), "How often each difference of predicted and true sum occurs"),
        sums=sums.to_dict("records"),
        gallery=gallery,
    )


def write_pictures(
    folder: Path,
    matrix: Int[np.ndarray, "s s"],
    errors: pd.DataFrame,
    mistakes: pd.DataFrame,
    strips: UInt8[np.ndarray, "m h w"],
) -> None:
    pages.write_png(draw_matrix(matrix), folder / "matrix.png")
    pages.write_png(draw_errors(errors), folder / "errors.png")
    pages.write_png(draw_mistakes(strips, mistakes), folder / "worst.png")
