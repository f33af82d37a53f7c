"""How a model trained on one number of digits reads other numbers.

    PYTHONPATH=. python benchmarks/other_counts.py [MODEL_FILE]

Composes wider strips from the test glyphs in data/raw, which must be the data that the model was trained on, and prints
a table in Markdown: sums right if the model is given the count of digits, counts right, and sums right if the model
finds the count. Without a file, it takes the model of the last run.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from digitsum.analysis.sharing import Glyphs as Shown
from digitsum.analysis.sharing import share_interval
from digitsum.model.model_file import read_model
from digitsum.model.prediction import predict, predict_counts
from digitsum.params.loader import read_params
from digitsum.params.preprocess import PreprocessParams
from digitsum.params.strip import StripParams
from digitsum.places import MODEL, RAW
from digitsum.strips import raw
from digitsum.strips.compose import Layout
from digitsum.strips.glyphs import SIDE, Glyphs
from digitsum.strips.split import Part
from stages.preprocess import compose_parts

STRIPS, MOST = 2000, 8  # of each count of digits; digits on a strip, at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, default=MODEL)
    parser.add_argument("--quick", action="store_true", help="a small run of seconds, whose numbers mean nothing")
    words = parser.parse_args()
    strips, most = (20, 2) if words.quick else (STRIPS, MOST)
    params = read_params()
    model, preprocess = read_model(words.model), params[PreprocessParams]
    fractions = preprocess.val_fraction, preprocess.test_fraction
    trained, arrived = Layout.of(params[StripParams], preprocess), raw.read(RAW)
    if not isinstance(arrived.content, Glyphs):
        sys.exit(f"error: {RAW}: holds strips that are composed already; set ingest.source to digits or mnist")
    models = {digits: model.for_strips(digits, width_of(trained, digits)) for digits in range(1, most + 1)}
    print("| digits | sums right, count given | counts right | sums right, count found |\n|---|---|---|---|")
    for digits, same in models.items():
        layout = replace(trained, digits=digits, width=same.data.width)
        wanted: dict[Part, int] = {"train": 1, "val": 1, "test": strips}
        # with the seed of the data set, the test glyphs are the same as there
        parts, truths = compose_parts(arrived.content, layout, wanted, fractions, preprocess.seed)
        test = parts["test"]
        counts = predict_counts(same, test.images, 2 * MOST).argmax(axis=1)
        given = predict(same, test.images).log_probability.argmax(axis=1) == test.sums
        left = np.zeros(strips, bool)
        for count in np.unique(counts[counts > 0]):
            rows = counts == count
            other = model.for_strips(int(count), layout.width)
            left[rows] = predict(other, test.images[rows]).log_probability.argmax(axis=1) == test.sums[rows]
        print(
            f"| {digits} | "
            + " | ".join(share(right, truths["test"].glyphs) for right in (given, counts == digits, left))
            + " |",
            flush=True,
        )


def width_of(layout: Layout, digits: int) -> int:
    return layout.first_left[1] + (digits - 1) * layout.next_left[1] + SIDE


def share(right: np.ndarray, glyphs: Shown) -> str:
    low, high = share_interval(right, glyphs)
    return f"{right.mean():.1%} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
