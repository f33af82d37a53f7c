"""Read images of digits: the sum, its probability, the digits and where they are."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Literal

from digitsum import places
from digitsum.commands._arguments import RESULT, positive
from digitsum.model import BATCH_SIZE

EXAMPLE = "python -m digitsum predict photo.jpg scan.png --draw pictures"


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="PNG, JPEG or npy, with one image or many; - for standard input")
    add("--model", default=str(places.MODEL), metavar="RESULT", help=f"{RESULT}; default: %(default)s")
    add("--count", type=_count, metavar="K|auto", help="digits on an image; default: as in training")
    add("--format", dest="form", choices=["csv", "json"], default="csv", help="json writes a line for each image")
    add("--draw", type=Path, metavar="FOLDER", help="write pictures with the reading drawn in")
    add("--batch-size", type=positive, default=BATCH_SIZE, help="images read at once; default: %(default)s")
    add("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto", help="default: %(default)s")
    add("--threads", type=positive, default=2, help="CPU threads; default: %(default)s")


def run(model: str, **arguments: Any) -> None:
    from digitsum.commands._models import model_file
    from digitsum.reading.predict import predict

    if predict(model=model_file(model), **arguments):
        sys.exit(1)


def _count(word: str) -> int | Literal["auto"]:
    return "auto" if word == "auto" else positive(word)
