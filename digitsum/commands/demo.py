"""Serve a page on which to draw or drop an image and see it read, to this machine only."""

from argparse import ArgumentParser

from digitsum import places
from digitsum.commands._arguments import port as port_number
from digitsum.tracking import NAMES

EXAMPLE = "python -m digitsum demo --port 7861"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--model", default=str(places.MODEL), metavar="RESULT", help=f"{NAMES}; default: %(default)s")
    parser.add_argument("--port", type=port_number, default=7860, help="port of the page; default: %(default)s")


def run(model: str, port: int) -> None:
    from digitsum.commands._models import model_file
    from digitsum.reading.demo import serve

    serve(model_file(model), port)
