"""Bring MLflow up to date: send what stages could not send, and add a row for each result that has none."""

from argparse import ArgumentParser

EXAMPLE = "python -m digitsum sync --history"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--history", action="store_true", help="add rows for results in git's history as well")
    parser.add_argument("--watch", action="store_true", help="keep sending while stages run; stages start this")


def run(history: bool, watch: bool) -> None:
    from digitsum.commands._models import model_form
    from digitsum.tracking import sync as tracking
    from digitsum.tracking.rows.settings import switched_off
    from digitsum.tracking.watch import watch as send_while_stages_run

    if switched_off():
        return
    if watch:
        send_while_stages_run(model_form())
        return
    print(tracking.sync(model_form(), history))
