"""How a model reads strips of MNIST's 10,000 test glyphs, which are by other writers than MNIST's training part.

    PYTHONPATH=. python benchmarks/mnist_glyphs.py [MODEL_FILE] [--mnist FOLDER]

FOLDER has MNIST/raw. Without a model file, it takes the model of the last run.
"""

import argparse
from pathlib import Path

import numpy as np

from digitsum.analysis.sharing import share_interval
from digitsum.model.model_file import read_model
from digitsum.model.prediction import predict
from digitsum.params.loader import read_params
from digitsum.params.preprocess import PreprocessParams
from digitsum.params.strip import StripParams
from digitsum.places import MODEL
from digitsum.strips.compose import Layout, compose
from digitsum.strips.glyphs import Glyphs
from digitsum.strips.sources.mnist import from_mnist

STRIPS = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, default=MODEL)
    parser.add_argument("--mnist", type=Path, default=Path("data/mnist"), help="the folder that has MNIST/raw")
    parser.add_argument("--quick", action="store_true", help="a small run of seconds, whose numbers mean nothing")
    words = parser.parse_args()
    params, model = read_params(), read_model(words.model)
    glyphs = from_mnist(words.mnist).content
    assert isinstance(glyphs, Glyphs)
    test = Glyphs(glyphs.images[glyphs.reserved], glyphs.digits[glyphs.reserved], glyphs.reserved[glyphs.reserved])
    layout = Layout.of(params[StripParams], params[PreprocessParams])
    strips, truth = compose(test, layout, 20 if words.quick else STRIPS, np.random.default_rng(1))
    right = predict(model, strips.images).log_probability.argmax(axis=1) == strips.sums
    low, high = share_interval(right, truth.glyphs)
    print(f"{right.mean():.2%} of {len(strips):,} sums right (95% interval {low:.2%} to {high:.2%})")


if __name__ == "__main__":
    main()
