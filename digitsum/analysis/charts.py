"""Charts for pages and for MLflow."""

import numpy as np
import pandas as pd
from jaxtyping import Int, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter

from digitsum.analysis.calibration import WANTED

GOOD, BAD, PALE = "#2a9d6a", "#d0583f", "#8a94a0"  # readable on white and on black


def draw_matrix(matrix: Int[np.ndarray, "s s"], by_row: bool) -> Figure:
    """Counts, or with `by_row` shares of the strips with the true sum; both on a logarithmic scale."""
    figure = Figure(figsize=(7.5, 6.5), layout="constrained")
    axes = figure.add_subplot()
    values = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1) if by_row else matrix.astype(float)
    norm = LogNorm(vmin=0.001, vmax=1) if by_row else LogNorm(vmin=1, vmax=max(2, matrix.max()))
    picture = axes.imshow(np.where(matrix == 0, np.nan, values), cmap="viridis", norm=norm)
    figure.colorbar(picture, label="share of the strips with the true sum" if by_row else "strips")
    axes.set(xlabel="predicted sum", ylabel="true sum")
    return figure


def draw_errors(errors: pd.DataFrame) -> Figure:
    figure, axes = _plain(7, 2.6)
    axes.bar(errors["error"], errors["strips"], color=BAD)
    axes.set(xlabel="predicted minus true sum", ylabel="strips")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def draw_reliability(table: pd.DataFrame) -> Figure:
    """Error rates on logarithmic scales, since a good model's accuracy is near 1 in every bin.

    Rates below a quarter of a strip in a bin are drawn there, among them those of bins without a mistake.
    """
    figure, axes = _plain(4.6, 3.4)
    least = 0.25 / float(table["strips"].max())
    points = (1 - table.drop(columns="strips")).clip(lower=least)
    lowest = float(points.min().min())
    axes.plot([lowest, 1], [lowest, 1], color=PALE, linewidth=1)
    axes.plot(
        points["untempered_confidence"],
        points["untempered_accuracy"],
        "o",
        color=PALE,
        fillstyle="none",
        label="without temperature",
    )
    reach = (points["accuracy"] - points["high"], points["low"] - points["accuracy"])
    axes.errorbar(points["confidence"], points["accuracy"], reach, fmt="o", color=GOOD, label="with temperature")
    axes.set(xlabel="predicted error rate", ylabel="error rate", xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda rate, _: f"{100 * rate:g}%"))
        axis.set_minor_formatter(NullFormatter())
    axes.legend(frameon=False)
    return figure


def draw_coverage(table: pd.DataFrame, share: float) -> Figure:
    """`share` is the coverage at the accuracy WANTED."""
    figure, axes = _plain(4.6, 3.4)
    risk = round(1 - WANTED, 6)
    axes.plot(table["coverage"], table["risk"], color=BAD)
    axes.plot([0, share], [risk, risk], color=GOOD, linewidth=1)
    axes.plot([share, share], [0, risk], color=GOOD, linewidth=1)
    axes.set(xlabel="share of strips answered, surest first", ylabel="error rate on these", xlim=(0, 1.01))
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    return figure


def draw_strips(strips: UInt8[np.ndarray, "m h w"], captions: list[str]) -> Figure:
    columns = 4
    rows = max(1, -(-len(captions) // columns))
    figure = Figure(figsize=(11, 0.95 * rows + 0.2), layout="constrained")
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, strip, caption in zip(figure.axes, strips, captions, strict=False):
        axes.imshow(strip, cmap="gray", vmin=0, vmax=255)
        axes.set_title(caption, fontsize=7, pad=2)
    return figure


def _plain(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
