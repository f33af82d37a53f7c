"""What a person asks for besides the stages."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from digitsum.errors import InputError

if TYPE_CHECKING:
    from digitsum.tracking.models import ModelForm

METRICS = Path("reports/metrics.json")


def summary() -> None:
    """Says what the pipeline's last run came to."""
    try:
        metrics = json.loads(METRICS.read_text())
        accuracy, low, high = (metrics[name] for name in ("accuracy", "accuracy_low", "accuracy_high"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{METRICS}: no result to sum up ({error}); make run produces one") from error
    print(
        f"\naccuracy  {accuracy:.2%} of {metrics['strips']:,} test sums right"
        f" (95% interval {low:.2%} to {high:.2%})"
        "\nreport    reports/report.html, and reports/data/quality.html for the data"
        "\ncompare   make ui; or change something: dvc exp run -S train.epochs=4, then dvc exp show"
    )


def sync(history: bool, watch: bool) -> None:
    """Brings MLflow up to date: what stages could not send yet, and a row for each result that has none."""
    from digitsum.tracking import sync as tracking
    from digitsum.tracking.store import switched_off

    if switched_off():
        return
    if watch:
        tracking.watch(model_form())
        return
    report = tracking.sync(model_form(), history)
    print(": ".join([f"rows      {len(report.added)} added", ", ".join(report.added)]).removesuffix(": "))
    for store, reason in report.waiting.items():
        print(f"waiting   {store} cannot be used ({reason}); its runs are kept in .digitsum/outbox")
    if not report.workspace:
        print("          dvc.lock holds no whole result; dvc repro makes one")


def model_form() -> "ModelForm":
    """What tracking is told of models."""
    from digitsum.model import served
    from digitsum.tracking.models import ModelForm

    code = Path(__file__).parent
    return ModelForm("models/model.safetensors", "digitsum.model.served", code, served.NEEDS, served.schema)


def trace(what: str | None, data: str | None) -> None:
    """Says where a result comes from (of a run, models:/NAME@ALIAS or a model file), or which results have data."""
    from digitsum.tracking.lineage import account, find_row, users_of
    from digitsum.tracking.rows import Rows
    from digitsum.tracking.store import opened

    with opened() as (client, experiment):
        rows = Rows(client, experiment)
        if data is not None:
            print(users_of(rows, data))
        elif what is not None:
            print(account(client, rows, find_row(rows, client, what)))


def reproduce(what: str) -> None:
    """Makes a result again in a clean clone, compares stage by stage, and writes the verdict on its row."""
    from digitsum.tracking import reproduce as tracking
    from digitsum.tracking.lineage import find_row
    from digitsum.tracking.rows import Rows
    from digitsum.tracking.store import opened

    with opened() as (client, experiment):
        verdict = tracking.reproduce(client, find_row(Rows(client, experiment), client, what))
    print(f"\n{verdict}")
    if not verdict.holds:
        sys.exit(1)


def compare(other: str | None, if_champion: bool) -> None:
    """Says what was fixed and what broke since another result, by default the champion's, on the same test data."""
    from digitsum.compare import compare_with
    from digitsum.tracking.others import champion, find_result
    from digitsum.tracking.store import switched_off

    if if_champion and switched_off():
        return
    result = champion() if other is None else find_result(other)
    if result is not None:
        print(compare_with(result))
    elif not if_champion:
        raise InputError("no champion is registered; name a git revision, an experiment or a run to compare with")


def ui(port: int) -> None:
    """Serves the MLflow pages, on this machine only."""
    from digitsum.ui import serve

    serve(port)


COMMANDS = {"summary": summary, "sync": sync, "trace": trace, "compare": compare, "reproduce": reproduce, "ui": ui}
RESULT = "a run's id or name, models:/NAME@ALIAS, or a model file"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m digitsum", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    parsers = {name: commands.add_parser(name, help=command.__doc__) for name, command in COMMANDS.items()}
    parsers["sync"].add_argument("--history", action="store_true", help="also for results in git's history")
    parsers["sync"].add_argument("--watch", action="store_true", help="as stages run, until they are done")
    asked = parsers["trace"].add_mutually_exclusive_group(required=True)
    asked.add_argument("what", nargs="?", metavar="RESULT", help=RESULT)
    asked.add_argument("--data", metavar="CHECKSUM", help="of data or a model, as in dvc.lock")
    parsers["compare"].add_argument(
        "other", nargs="?", metavar="OTHER", help=f"a git revision, an experiment, or {RESULT}"
    )
    parsers["compare"].add_argument("--if-champion", action="store_true", help="say nothing if there is no champion")
    parsers["reproduce"].add_argument("what", metavar="RESULT", help=RESULT)
    parsers["ui"].add_argument("--port", type=int, default=5000)
    words = vars(parser.parse_args())
    try:
        COMMANDS[words.pop("command")](**words)  # type: ignore[operator]
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
