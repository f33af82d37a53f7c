"""Bring MLflow up to date: send what stages could not send, and add a row for each result that has none."""

from argparse import ArgumentParser

EXAMPLE = "python -m digitsum sync --history"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--history", action="store_true", help="add rows for results in git's history as well")
    parser.add_argument("--watch", action="store_true", help="keep sending while stages run; stages start this")


def run(history: bool, watch: bool) -> None:
    from digitsum.commands._models import model_form
    from digitsum.tracking import sync as tracking
    from digitsum.tracking.rows.store import shown, switched_off

    if switched_off():
        return
    if watch:
        tracking.watch(model_form())
        return
    report = tracking.sync(model_form(), history)
    print(f"rows      {len(report.added)} added: {', '.join(report.added)}" if report.added else "rows      all there")
    for store, reason in report.waiting.items():
        print(f"waiting   {shown(store)} cannot be used ({reason}); its runs are kept in .digitsum/outbox")
    if report.row is not None:
        gone = report.deleted and "; deleted in MLflow, and mlflow runs restore --run-id brings it back"
        print(f"result    {report.row.info.run_name}, run {report.row.info.run_id}{gone or ''}")
    else:
        print("result    none in dvc.lock; dvc repro makes one")
