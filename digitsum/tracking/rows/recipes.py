"""The row of a recipe: a parent run with the mean and the noise of every figure, and its results as children."""

import time
from collections.abc import Mapping, Sequence

from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.store import Metric, Store
from digitsum.tracking.rows.tags import NOTE, PARENT, RECIPE_ROW

SEEDS = "seeds"  # the metric with the number of results
TEXT = """The mean over {count} seeds ({seeds}). A metric that ends in `_sd` is the standard deviation from seed to
seed; `_low` and `_high` are the ends of the 95% interval of the mean, over seeds and strips. The children are the
results.

To add seeds: `python -m digitsum replicate`, the id of a child, and `--seeds`."""


def write_recipe(store: Store, recipe: str, rows: Mapping[str, Run], figures: Mapping[str, float], title: str) -> str:
    """Add the row of a recipe, or bring it up to date; returns its id.

    Args:
        rows: of the results, by their seeds.
        figures: the metrics of the row.
    """
    now = int(time.time() * 1000)
    there = store.runs({RECIPE_ROW: recipe})
    tags = {RECIPE_ROW: recipe, "mlflow.source.name": "dvc.yaml", "mlflow.source.type": "PROJECT"}
    row = there[0].id if there else store.begin(title, tags, min(result.start for result in rows.values()))
    store.rename(row, title)
    store.log_params(row, _shared([result.params for result in rows.values()]))
    count = len(rows)
    metrics = [Metric(name, value, now, count) for name, value in {**figures, SEEDS: count}.items()]
    store.log(row, metrics, {NOTE: TEXT.format(count=count, seeds=", ".join(rows))})
    for result in rows.values():
        store.set_tag(result.id, PARENT, row)
    store.end(row, "FINISHED", now)
    return row


def _shared(params: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {name: value for name, value in params[0].items() if all(other.get(name) == value for other in params)}
