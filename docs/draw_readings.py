"""Draws docs/readings.png from the pipeline's last run: PYTHONPATH=. python docs/draw_readings.py"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from digitsum.analysis import pages, predictions
from digitsum.strips.dataset import Strips

ROWS, COLUMNS = 3, 3


def main() -> None:
    strips = Strips.read(Path("data/processed/test"))
    table = predictions.read(Path("reports/predictions.csv"))
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    for axes, image, (_, row) in zip(
        figure.subplots(ROWS, COLUMNS).flat, strips.images, table.iterrows(), strict=False
    ):
        axes.imshow(np.array(image), cmap="gray", vmin=0, vmax=255)
        for digit, centre in zip(row["read"].split(), map(int, row["centres"].split()), strict=True):
            axes.text(centre, 45, digit, color="#1a7f4b", ha="center", va="top", fontsize=11, weight="bold")
        verdict = "" if row["predicted"] == row["sum"] else f"  (truly {row['sum']})"
        axes.set_title(f"sum {row['predicted']}, {row['probability']:.0%} sure{verdict}", fontsize=8, pad=3)
        axes.axis("off")
        axes.set_ylim(58, 0)
    pages.write_png(figure, Path("docs/readings.png"))


if __name__ == "__main__":
    main()
