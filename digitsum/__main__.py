"""What a person asks for besides the stages."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from digitsum.errors import InputError

if TYPE_CHECKING:
    from digitsum.tracking.models import ModelForm

METRICS = Path("reports/metrics.json")
MODEL = "models/model.safetensors"


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
    return ModelForm(MODEL, "digitsum.model.served", code, served.NEEDS, served.schema)


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


def ui(port: int) -> None:
    """Serves the MLflow pages, on this machine only."""
    from digitsum.ui import serve

    serve(port)


def predict(model: str, **words: Any) -> None:
    """Reads images (PNG, JPEG, npy): the sum, how sure that is, the digits and where they are."""
    from digitsum.predict import predict as answer

    if answer(model=model_file(model), **words):
        sys.exit(1)


def demo(model: str, port: int) -> None:
    """Serves a page on which to draw or drop an image, on this machine only."""
    from digitsum.demo import serve

    serve(model_file(model), port)


def positive(said: str) -> int:
    if not said.isdecimal() or int(said) == 0:
        raise argparse.ArgumentTypeError(f"{said} is no number above 0")
    return int(said)


def digits(said: str) -> int | Literal["auto"]:
    return "auto" if said == "auto" else positive(said)


def model_file(what: str) -> Path:
    """The file itself, or that of a result in MLflow."""
    if Path(what).exists() or what.endswith(".safetensors"):
        return Path(what)
    from digitsum.tracking.lineage import find_row
    from digitsum.tracking.models import fetch
    from digitsum.tracking.rows import Rows
    from digitsum.tracking.store import opened

    with opened() as (client, experiment):
        rows = Rows(client, experiment)
        return fetch(client, rows.models_of(find_row(rows, client, what)), MODEL, what)


COMMANDS = {
    "summary": summary,
    "sync": sync,
    "trace": trace,
    "reproduce": reproduce,
    "ui": ui,
    "predict": predict,
    "demo": demo,
}
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
    parsers["reproduce"].add_argument("what", metavar="RESULT", help=RESULT)
    parsers["ui"].add_argument("--port", type=int, default=5000)
    for name in ("predict", "demo"):
        parsers[name].add_argument("--model", default=MODEL, metavar="RESULT", help=f"{RESULT}; default {MODEL}")
    parsers["demo"].add_argument("--port", type=int, default=7860)
    given = parsers["predict"].add_argument
    given("files", nargs="+", metavar="FILE", help="PNG, JPEG or npy, of one image or many; - for standard input")
    given("--count", type=digits, metavar="K|auto", help="digits on an image, as in training unless given")
    given("--format", dest="form", choices=["csv", "json"], default="csv", help="json: a line for each image")
    given("--draw", type=Path, metavar="FOLDER", help="for pictures with the reading drawn in")
    given("--batch-size", type=positive, default=250, help="images read at once")
    given("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    given("--threads", type=positive, default=2, help="of the CPU")
    words = vars(parser.parse_args())
    try:
        COMMANDS[words.pop("command")](**words)  # type: ignore[operator]
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
