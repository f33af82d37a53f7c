"""Serve the MLflow pages to this machine only, and open the charts of all results."""

from argparse import ArgumentParser

from digitsum.commands._arguments import port as port_number
from digitsum.tracking.rows.settings import PORT

EXAMPLE = "python -m digitsum ui --port 5001"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--port", type=port_number, default=PORT, help="default: %(default)s")


def run(port: int) -> None:
    from digitsum.tracking.ui import serve

    serve(port)
