"""Bring MLflow up to date, summarize the result of the last run of the pipeline, and compare it with the champion."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

from yaml import YAMLError

from digitsum import places
from digitsum.errors import InputError, one_line
from digitsum.formats import read_figures

EXAMPLE = "python -m digitsum summary"


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run() -> None:
    from digitsum.tracking.rows.settings import switched_off
    from digitsum.tracking.unchanged import unchanged

    result = _result()
    rows, comparison = ("", "") if switched_off() else unchanged(_rows_and_comparison)
    print("\n".join(filter(None, (rows, result, comparison, _baseline()))))


def _result() -> str:
    try:
        metrics = read_figures(places.METRICS)
        names = ("accuracy", "accuracy_low", "accuracy_high", "strips")
        accuracy, low, high, strips = (metrics[name] for name in names)
    except (InputError, KeyError) as error:
        raise InputError(
            f"{places.METRICS}: no result to summarize ({one_line(error, 120)}); make run produces one"
        ) from error
    shared = f"; these strips share {metrics['glyphs']:,.0f} glyphs" if "glyphs" in metrics else ""
    report, note = f"{places.REPORT}, and {places.DATA_REPORT / 'quality.html'} for the data", ""
    if not places.REPORT.exists():
        note = "\nNothing has run in this clone; this is the result that its commit records."
        report = "not here; make run produces it, and dvc pull fetches it from a remote"
    return (
        f"{note}\naccuracy  {accuracy:.2%} of {strips:,} test sums right"
        f" (95% interval {low:.2%} to {high:.2%}{shared})"
        f"\nreport    {report}"
        "\ncompare   make ui; or change something: dvc exp run -S train.epochs=4, then dvc exp show"
    )


def _baseline() -> str:
    """A line if results differ from the commit's although all that they are computed from is the same."""
    from digitsum.tracking.results.dvc_files import essence, is_within
    from digitsum.tracking.results.git import git

    def inputs(lock: str) -> dict[str, Any]:
        stages = essence(lock)
        outs = {path: md5 for stage in stages.values() for path, md5 in stage["outs"].items()}
        return {
            name: stage["params"] | {path: md5 for path, md5 in stage["deps"].items() if not is_within(path, outs)}
            for name, stage in stages.items()
        }

    try:
        before, now = git("show", f"HEAD:./{places.LOCK}"), Path(places.LOCK).read_text(encoding="utf-8")
        if before == now or inputs(before) != inputs(now):
            return ""
    except (OSError, ValueError, KeyError, TypeError, InputError, CalledProcessError, YAMLError):
        return ""  # no repository, no commit, or no result in one of the two
    return (
        "baseline  the commit has other results of the same code, data and params, from another kind of machine; to "
        "make these the baseline: git commit -am 'Results computed on this machine'"
    )


def _rows_and_comparison() -> list[str]:
    from digitsum.commands._models import row_contents
    from digitsum.commands.sync import described
    from digitsum.tracking.find import champion, here
    from digitsum.tracking.sync import sync

    rows = comparison = ""
    try:
        rows = described(sync(row_contents()))
        result = champion()
    except InputError as error:
        print(f"warning: {error}", file=sys.stderr)
        return [rows, comparison]
    if result is not None:
        from digitsum.judging.compare import compare_results

        try:
            comparison = compare_results(result, here())
        except InputError as error:
            comparison = f"compared  not with the champion: {error}"
    return [rows, comparison]
