"""The row of a sweep: a parent run whose children are the trials, those that were pruned among them."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.store import Metric, Store
from digitsum.tracking.rows.tags import DVC_EXPERIMENT, NOTE, PARENT, PRUNED, RESULT, STAGE, SWEEP, SWEEP_ROW, TRIAL


def begin_sweep(store: Store, key: str, title: str, space: Mapping[str, str]) -> str:
    """The id of the row of a sweep, which is made where it is missing; no call leaves it running."""
    if there := store.runs({SWEEP_ROW: key}):
        return there[0].id
    now = int(time.time() * 1000)
    tags = {SWEEP_ROW: key, "mlflow.source.name": "dvc.yaml", "mlflow.source.type": "PROJECT"}
    row = store.begin(title, tags, now)
    store.log_params(row, space)
    store.end(row, "FINISHED", now)
    return row


def trials_of(store: Store, key: str) -> list[Run]:
    """The rows of a sweep's trials, oldest first."""
    return store.runs({SWEEP: key})


def values_of(trial: Run) -> dict[str, Any] | None:
    """What the sweep chose for a trial; None if somebody wrote something else into the tag."""
    try:
        found = json.loads(trial.tags.get(TRIAL, "null"))
        return dict(found["values"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def ran_in_sweep(row: Run) -> bool:
    """Whether a sweep ran the row's experiment, unlike a trial that had its result before the sweep."""
    name, _, _ = row.tags.get(SWEEP, "").partition(" ")
    return bool(name) and row.tags.get(DVC_EXPERIMENT, "").startswith(f"{name}-")


def add_trial(store: Store, sweep: str, key: str, row: Run, number: int, values: Mapping[str, Any]) -> None:
    """Let the row of a result be a trial as well."""
    store.log(row.id, [], {SWEEP: key, TRIAL: json.dumps({"number": number, "values": values})})
    if PARENT not in row.tags:
        store.set_tag(row.id, PARENT, sweep)


def add_pruned(
    store: Store,
    sweep: str,
    key: str,
    number: int,
    values: Mapping[str, Any],
    params: Mapping[str, str],
    experiment: str,
    when: str,
) -> None:
    """The row of a trial that ended early, with the curves that it has. The runs of its stages become its children."""
    runs = [run for run in store.runs({DVC_EXPERIMENT: experiment}) if STAGE in run.tags and RESULT not in run.tags]
    now = int(time.time() * 1000)
    tags = {
        SWEEP: key,
        TRIAL: json.dumps({"number": number, "values": values}),
        PRUNED: when,
        DVC_EXPERIMENT: experiment,
        PARENT: sweep,
        NOTE: f"A sweep ended this trial {when}: others were better by then. It has no result.",
    }
    there = store.runs({SWEEP: key, DVC_EXPERIMENT: experiment})
    row = there[0].id if there else store.begin(f"{experiment} pruned", tags, min([now, *(run.start for run in runs)]))
    store.log_params(row, params)
    curves = [point for run in runs for name in run.metrics for point in store.history(run.id, name)]
    store.log(row, [point for point in curves if not point.name.startswith("system/")], {})
    for run in runs:
        if PARENT not in run.tags:
            store.set_tag(run.id, PARENT, row)
    store.end(row, "KILLED", now)


def describe_sweep(store: Store, sweep: str, metrics: Mapping[str, float], note: str, folder: Path | None) -> None:
    """Bring the row of a sweep up to date.

    Args:
        metrics: as they are now; MLflow keeps the earlier values as well.
        folder: of files to add, under its own name; None for none.
    """
    now = int(time.time() * 1000)
    step = int(metrics.get("trials", 0))
    store.log(sweep, [Metric(name, value, now, step) for name, value in metrics.items()], {NOTE: note})
    if folder is not None:
        store.log_file(sweep, folder)
    store.end(sweep, "FINISHED", now)
