"""What a person asks for besides the stages."""

import argparse
import json
import os
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
    from digitsum.tracking.store import shown, switched_off

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
            print(account(rows, find_row(rows, client, what)))


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


def retrain(changes: str, force: bool, local: bool) -> None:
    """Pulls, runs what changed, pushes, records, promotes on main if the gate passes, and says what came of it."""
    from digitsum.retraining.retrain import COMMENT, Options
    from digitsum.retraining.retrain import retrain as from_end_to_end

    print(from_end_to_end(model_form(), Options(changes, force, local)))
    print(f"comment   {COMMENT}")


def promote(what: str, dry_run: bool, anew: bool) -> None:
    """Judges a result's model against the champion on the same strips, and if it passes, puts it in its place."""
    from digitsum.analysis.params import EvaluateParams, GateParams
    from digitsum.model.devices import prepare
    from digitsum.params import read_params
    from digitsum.promotion import promote as judge_and_promote
    from digitsum.tracking.store import opened

    params = read_params()
    prepare("cpu", params[EvaluateParams].threads, "evaluate.threads")
    with opened() as (client, experiment):
        decision = judge_and_promote(
            client, experiment, what, params[GateParams], params[EvaluateParams].batch_size, dry_run, anew
        )
    print(decision.text)
    if not decision.promoted:
        sys.exit(REFUSED)


def rollback() -> None:
    """Makes the champion before this one champion again."""
    from digitsum.promotion import rollback as go_back
    from digitsum.tracking.store import opened

    with opened() as (client, _):
        print(go_back(client))


def compare(other: str | None, if_champion: bool) -> None:
    """Says what was fixed and what broke since another result, by default the champion's, on the same test data."""
    from digitsum.compare import compare_with
    from digitsum.tracking.others import champion, find_result
    from digitsum.tracking.store import switched_off

    if if_champion and switched_off():
        return
    result = champion() if other is None else find_result(other)
    if result is None:
        if not if_champion:
            raise InputError("no champion is registered; name a git revision, an experiment or a run to compare with")
        return
    try:
        print(compare_with(result))
    except InputError as error:
        if not if_champion:
            raise
        print(f"compared  not with the champion: {error}")


def ui(port: int) -> None:
    """Serves the MLflow pages, on this machine only."""
    from digitsum.ui import serve

    serve(port)


COMMANDS = {
    "summary": summary,
    "sync": sync,
    "trace": trace,
    "compare": compare,
    "reproduce": reproduce,
    "retrain": retrain,
    "promote": promote,
    "rollback": rollback,
    "ui": ui,
}
REFUSED = 3  # the exit code of a gate that holds; of errors it is 1
CHANGES = "of params, such as 'train.epochs=4 train.seed=2'"
RESULT = "a run's id or name, models:/NAME@ALIAS, or a model file"


def port(word: str) -> int:
    if not 0 < (number := int(word)) < 2**16:
        raise ValueError
    return number


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
    parsers["compare"].add_argument(
        "--if-champion", action="store_true", help="not an error if there is none, or no comparison"
    )
    parsers["reproduce"].add_argument("what", metavar="RESULT", help=RESULT)
    parsers["retrain"].add_argument("--set", dest="changes", metavar="CHANGES", default="", help=CHANGES)
    parsers["retrain"].add_argument("--force", action="store_true", help="run every stage, changed or not")
    parsers["retrain"].add_argument("--local", action="store_true", help="neither pull nor push nor promote")
    parsers["promote"].add_argument("what", metavar="RESULT", help=RESULT)
    parsers["promote"].add_argument("--dry-run", action="store_true", help="say what would happen, and change nothing")
    parsers["promote"].add_argument("--anew", action="store_true", help="by the floors alone, without the champion")
    parsers["ui"].add_argument("--port", type=port, default=5000)
    words = vars(parser.parse_args())
    try:
        COMMANDS[words.pop("command")](**words)  # type: ignore[operator]
        sys.stdout.flush()
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
