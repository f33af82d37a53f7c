"""A model trained on one number of digits, asked for others.

    PYTHONPATH=. python benchmarks/other_counts.py [MODEL_FILE]

Composes wider strips of the test glyphs of the data set in data/raw, which must be the one that the model was trained
on, and prints a table in Markdown: sums right with the count given, counts right, and sums right with the count left to
the model. Without a file, the model is that of the last run.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from digitsum.analysis.intervals import wilson
from digitsum.model.architecture import SumModel
from digitsum.params.loader import read_params
from digitsum.params.preprocess import PreprocessParams
from digitsum.params.strip import StripParams
from digitsum.strips import raw
from digitsum.strips.compose import Layout
from digitsum.strips.glyphs import SIDE, Glyphs
from digitsum.strips.split import Part
from stages.preprocess import RAW, compose_parts
from stages.train import MODEL

STRIPS, COUNTS = 2000, range(1, 9)


def main(path: Path) -> None:
    params = read_params()
    model, preprocess = SumModel.read(path), params[PreprocessParams]
    fractions = preprocess.val_fraction, preprocess.test_fraction
    trained, arrived = Layout.of(params[StripParams], preprocess), raw.read(RAW)
    if not isinstance(arrived.content, Glyphs):
        sys.exit(f"error: {RAW}: strips are composed already; ingest glyphs, as of digits or mnist")
    models = {digits: model.for_strips(digits, width_of(trained, digits)) for digits in COUNTS}
    print(
        "| digits | sums right, count given | counts right | sums right, count left to the model |\n|---|---|---|---|"
    )
    for digits, same in models.items():
        layout = replace(trained, digits=digits, width=same.data.width)
        wanted: dict[Part, int] = {"train": 1, "val": 1, "test": STRIPS}
        # the seed of the data set, so that test glyphs are those that it keeps for the test
        parts, _ = compose_parts(arrived.content, layout, wanted, fractions, preprocess.seed)
        test = parts["test"]
        counts = same.predict_count(test.images, 2 * max(COUNTS)).argmax(axis=1)
        given = same.predict(test.images).log_probability.argmax(axis=1) == test.sums
        left = np.zeros(STRIPS, bool)
        for count in np.unique(counts[counts > 0]):
            rows = counts == count
            other = model.for_strips(int(count), layout.width)
            left[rows] = other.predict(test.images[rows]).log_probability.argmax(axis=1) == test.sums[rows]
        print(f"| {digits} | " + " | ".join(map(share, (given, counts == digits, left))) + " |", flush=True)


def width_of(layout: Layout, digits: int) -> int:
    return layout.first_left[1] + (digits - 1) * layout.next_left[1] + SIDE


def share(right: np.ndarray) -> str:
    low, high = wilson(int(right.sum()), len(right))
    return f"{right.mean():.1%} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else MODEL)
