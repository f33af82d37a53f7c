"""Draws readings.png from the last run, with one mistake: PYTHONPATH=. python docs/draw_readings.py [FOLDER]"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from digitsum.analysis import pages, predictions
from digitsum.places import PREDICTIONS, PROCESSED
from digitsum.strips.dataset import Strips

ROWS, COLUMNS = 3, 3


def main(folder: Path) -> None:
    strips, table = Strips.read(PROCESSED / "test"), predictions.read(PREDICTIONS)
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    right = (table["predicted"] == table["sum"]).to_numpy()
    shown = [*np.flatnonzero(right)[: ROWS * COLUMNS - 1], *np.flatnonzero(~right)[:1]]
    for axes, index in zip(figure.subplots(ROWS, COLUMNS).flat, shown, strict=False):
        row = table.iloc[index]
        axes.imshow(np.array(strips.images[index]), cmap="gray", vmin=0, vmax=255)
        color = "#1a7f4b" if right[index] else "#b3261e"
        for digit, centre in zip(row["read"].split(), map(int, row["centres"].split()), strict=True):
            axes.text(centre, 45, digit, color=color, ha="center", va="top", fontsize=11, weight="bold")
        verdict = "" if right[index] else f"; true sum {row['sum']}"
        axes.set_title(f"sum {row['predicted']}, {row['probability']:.1%}{verdict}", fontsize=8, pad=3)
        axes.axis("off")
        axes.set_ylim(58, 0)
    pages.write_png(figure, folder / "readings.png")


if __name__ == "__main__":
    main(Path(*sys.argv[1:] or ["docs"]))
