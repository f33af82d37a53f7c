"""Where a result comes from, as lines for the top of a page."""

import time
from typing import NamedTuple

from digitsum.tracking.results.changes import changed_params, default_params
from digitsum.tracking.results.dvc_files import flat
from digitsum.tracking.results.result import Occurrence, Result
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.store import Store
from digitsum.tracking.rows.tags import RESULT, code_of, name_of, tags_of

SHOWN = {"source": "ingest.source", "head": "model.head", "backbone": "model.backbone"}  # params on every page


class Line(NamedTuple):
    label: str
    text: str
    link: str = ""


def origin(store: Store | None, result: Result) -> list[Line]:
    """The result, its row, commit, date, and params that differ from the default, as far as they are known."""
    row = next(iter(store.runs({RESULT: result.key})), None) if store is not None else None
    if store is not None and row is not None:
        return of_row(store, row, result)
    found = [Line("result", result.name)]
    if isinstance(result, Occurrence):
        found += [Line("commit", code_of(tags_of(result))), Line("date", _date(result.time))]
    return found + _params(result)


def of_row(store: Store, row: Run, result: Result) -> list[Line]:
    link = f"{store.address}/{store.page(row.id)}"
    return [
        Line("result", row.name),
        Line("MLflow", f"run {row.id}", link),
        Line("commit", code_of(row.tags)),
        Line("date", _date(row.start)),
        *_params(result),
    ]


def of_new_row(store: Store, row: str, result: Occurrence) -> list[Line]:
    """The same while the row is being written."""
    tags = tags_of(result)
    return of_row(store, Run(row, name_of(result), "", result.time, None, tags, {}, {}, (), ""), result)


def _params(result: Result) -> list[Line]:
    params = flat(result.params)
    found = [Line(label, params[name]) for label, name in SHOWN.items() if name in params]
    default = {name: value for name, value in default_params().items() if name.partition(".")[0] in result.params}
    changed = changed_params(default, params) if default else {}
    words = ", ".join(f"{name} {now or 'unset'} (default {then or 'unset'})" for name, (then, now) in changed.items())
    return [*found, Line("params", words or "the default")]


def _date(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(milliseconds / 1000))
