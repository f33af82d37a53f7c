"""The 95% intervals of all metrics that have one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from digitsum.analysis.evidence import Evidence
from digitsum.analysis.intervals import bootstrap
from digitsum.analysis.metrics import METRICS, by_weights, computed
from digitsum.analysis.sharing import design_effect, share_interval
from digitsum.formats import read_table


def with_intervals(evidence: Evidence) -> pd.DataFrame:
    """A row for each metric (`figure`): value, interval, and the value without the model's temperature.

    Shares have Wilson intervals. The others have bootstrap intervals of independent strips, widened by the design
    effect and cut at the ends of the metric's range.
    """
    biased = [name for name, metric in METRICS.items() if metric.biased]
    table = bootstrap(by_weights(evidence), len(evidence.sums), biased)
    ends = [_widened(evidence, *row) for row in table[["figure", "value", "low", "high"]].itertuples(index=False)]
    table[["low", "high"]] = ends
    untempered = computed(replace(evidence, log_probability=evidence.untempered))
    return table.assign(untempered=[untempered[name] for name in table["figure"]])


def _widened(evidence: Evidence, name: str, value: float, low: float, high: float) -> tuple[float, float]:
    metric = METRICS[name]
    one_by_one = metric.score or metric.influence
    assert one_by_one is not None
    scores = one_by_one(evidence)
    if scores.dtype == bool:
        return share_interval(scores, evidence.glyphs)
    wider = np.sqrt(design_effect(scores, evidence.glyphs))
    greatest = 1 if metric.form == "percent" else np.inf
    return float(max(value - wider * (value - low), 0)), float(min(value + wider * (high - value), greatest))


def intervals(metrics: Mapping[str, float], figures: Path) -> dict[str, tuple[float, float]]:
    """The interval of each metric that has one: its own ends in `metrics`, or else those in the file `figures`.

    `figures` is the table that `with_intervals` made, as CSV; it may be missing.
    """
    found = {}
    if figures.exists():
        columns = ["figure", "low", "high"]
        table = read_table(figures, columns, numeric=columns[1:])
        found = {str(name): (float(low), float(high)) for name, low, high in table[columns].to_numpy()}
    for name in metrics:
        if f"{name}_low" in metrics:
            found[name] = metrics[f"{name}_low"], metrics[f"{name}_high"]
    return found
