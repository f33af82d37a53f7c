"""What a row shows besides dvc.lock, params and metrics: its model, its curves, and the files that people open."""

import csv
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from digitsum.tracking.results.cache import find_out
from digitsum.tracking.results.result import Occurrence
from digitsum.tracking.rows.models import ModelForm
from digitsum.tracking.rows.origin import Line, of_new_row
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.store import Metric, Store

SYSTEM = "system/"  # begins the names of MLflow's system metrics


@dataclass(frozen=True)
class Contents:
    """What the pipeline's results have, as those who know the pipeline introduce it."""

    model: ModelForm
    files: tuple[str, ...]  # outs, or files in outs, that stand among the artifacts under their own names
    curves: tuple[str, ...]  # outs in CSV: the column `step`, and a metric in each other column; the finest come first
    dressed: Callable[[str, Sequence[Line]], str]  # an HTML page with lines about its origin


def log_files(store: Store, row: str, contents: Contents, result: Occurrence) -> None:
    """Log the files of `contents` that are at hand. Pages get their origin, which outs of stages cannot know."""
    origin = of_new_row(store, row, result)
    with tempfile.TemporaryDirectory() as folder:
        for path in contents.files:
            if (found := find_out(result.outs, path)) is None:
                continue
            if path.endswith(".html"):
                store.log_text(row, contents.dressed(found.read_text(), origin), Path(path).name)
            else:
                copy = Path(folder) / Path(path).name
                copy.write_bytes(found.read_bytes())
                store.log_file(row, copy)


def curves(store: Store, runs: Iterable[Run], contents: Contents | None, result: Occurrence) -> list[Metric]:
    """The curves that the runs of the stages recorded, and others in the files of the result.

    A single value is no curve, except in such a file: training may have one epoch.
    """
    recorded: list[Metric] = []
    use: list[Metric] = []
    for run in runs:
        for name in run.metrics:
            history = store.history(run.id, name)
            if name.startswith(SYSTEM):
                use += history
            elif len(history) > 1:
                recorded += history
    if contents is not None:
        for path in contents.curves:
            known = {point.name for point in recorded}
            recorded += [point for point in _in_file(result, path) if point.name not in known]
    return recorded + _in_sequence(use)


def missing_curves(
    store: Store, row: str, runs: Iterable[Run], contents: Contents | None, result: Occurrence
) -> list[Metric]:
    """The points that a row lacks, which may be older than the runs and the files that have them."""
    points = curves(store, runs, contents, result)
    there = {name: {point.step for point in store.history(row, name)} for name in {point.name for point in points}}
    # the use of the machine is that of one computation
    return [
        point
        for point in points
        if not (there[point.name] if point.name.startswith(SYSTEM) else point.step in there[point.name])
    ]


def _in_sequence(use: list[Metric]) -> list[Metric]:
    """The use of the machine by one stage after the other: steps count the samples of all of them."""
    times = {time: step for step, time in enumerate(sorted({metric.time for metric in use}))}
    return [metric._replace(step=times[metric.time]) for metric in use]


def _in_file(result: Occurrence, path: str) -> list[Metric]:
    if (found := find_out(result.outs, path)) is None:
        return []
    with found.open(newline="") as file:
        return [
            Metric(name, float(value), result.time, int(row["step"]))
            for row in csv.DictReader(file)
            for name, value in row.items()
            if name != "step" and value
        ]
