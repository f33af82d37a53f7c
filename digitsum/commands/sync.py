"""Bring MLflow up to date: send what stages could not send, and add a row for each result that has none."""

from argparse import ArgumentParser

EXAMPLE = "python -m digitsum sync --history"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--history", action="store_true", help="add rows for results in git's history as well")
    parser.add_argument("--watch", action="store_true", help="keep sending while stages run; stages start this")


def run(history: bool, watch: bool) -> None:
    from digitsum.commands._models import row_contents
    from digitsum.tracking import sync as tracking
    from digitsum.tracking.rows.settings import switched_off, without_password
    from digitsum.tracking.watch import watch as send_while_stages_run

    if switched_off():
        return
    if watch:
        send_while_stages_run(row_contents())
        return
    report = tracking.sync(row_contents(), history)
    if count := len(report.added):
        print(f"mlflow: {count} {'row' if count == 1 else 'rows'} added: {', '.join(report.added)}")
    else:
        print("mlflow: up to date")
    for store, reason in report.waiting.items():
        print(f"mlflow: {without_password(store)} cannot be used ({reason}); its runs are kept in .digitsum/outbox")
    if report.row is None:
        print("result: none in dvc.lock; dvc repro makes one")
    elif report.deleted:
        undo = f"mlflow runs restore --run-id {report.row.id} brings it back"
        print(f"result: {report.row.name}, run {report.row.id}, deleted in MLflow; {undo}")
    else:
        print(f"result: {report.row.name}, run {report.row.id}")
