"""Bring MLflow up to date: send what stages could not send, and add a row for each result that has none."""

from argparse import ArgumentParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digitsum.tracking.sync import Report

EXAMPLE = "python -m digitsum sync --history"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--history", action="store_true", help="add rows for results in git's history as well")
    parser.add_argument("--watch", action="store_true", help="keep sending while stages run; stages start this")


def run(history: bool, watch: bool) -> None:
    from digitsum.commands._models import row_contents
    from digitsum.tracking import sync as tracking
    from digitsum.tracking.rows.settings import switched_off
    from digitsum.tracking.watch import watch as send_while_stages_run

    if switched_off():
        return
    if watch:
        send_while_stages_run(row_contents())
        return
    print(described(tracking.sync(row_contents(), history)))


def described(report: "Report") -> str:
    """What a sync did, and the row of the result in dvc.lock."""
    from digitsum.tracking.recording.outbox import newly_aside
    from digitsum.tracking.rows.settings import without_password

    count = len(report.added)
    rows = f"{count} {'row' if count == 1 else 'rows'} added: {', '.join(report.added)}" if count else "up to date"
    lines = [rows, *(f"{parcel}; it is set aside and not recorded" for parcel in newly_aside())]
    for store, reason in report.waiting.items():
        lines.append(f"{without_password(store)} cannot be used ({reason}); its runs are kept in .digitsum/outbox")
    if report.row is None and not report.deleted:
        result = "none in dvc.lock; dvc repro makes one"
    elif report.row is None:
        result = "its row was deleted in MLflow for good; rm .digitsum/synced.json adds it once more"
    else:
        result = f"{report.row.name}, run {report.row.id}"
        if report.deleted:
            result += f", deleted in MLflow; mlflow runs restore --run-id {report.row.id} brings it back"
    return "\n".join([*(f"mlflow: {line}" for line in lines), f"result: {result}"])
