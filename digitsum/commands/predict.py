"""Read images of digits, and print the sum, its probability, the digits and their positions."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Literal

from digitsum import places
from digitsum.commands._arguments import positive
from digitsum.model import BATCH_SIZE
from digitsum.process import after_imports, before_imports
from digitsum.tracking import NAMES

EXAMPLE = "python -m digitsum predict photo.jpg scan.png --draw pictures"


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="an image, or .npy with one or many; - reads standard input")
    add("--model", default=str(places.MODEL), metavar="RESULT", help=f"{NAMES}; default: %(default)s")
    add("--count", type=_count, metavar="K|auto", help="digits on an image; auto counts them; default: as in training")
    add(
        "--format",
        dest="form",
        choices=["csv", "json"],
        default="csv",
        help="of the rows; json prints one object a line; default: %(default)s",
    )
    add("--draw", type=Path, metavar="FOLDER", help="write a picture of each image with its reading into this folder")
    add(
        "--batch-size", type=positive, default=BATCH_SIZE, metavar="N", help="images read at once; default: %(default)s"
    )
    add(
        "--device",
        choices=["auto", "cpu", "cuda", "mps"],
        default="auto",
        help="auto takes a GPU if there is one; default: %(default)s",
    )
    add("--threads", type=positive, default=2, metavar="N", help="CPU threads; default: %(default)s")


def run(model: str, **arguments: Any) -> None:
    before_imports()
    from digitsum.commands._models import model_file
    from digitsum.reading.predict import predict

    after_imports()

    if predict(model=model_file(model), **arguments):
        sys.exit(1)


def _count(word: str) -> int | Literal["auto"]:
    return "auto" if word == "auto" else positive(word)
