"""The metrics of a model on test strips: one table with their names, labels, formats and definitions.

To add a metric, add an entry with its function to METRICS, and a test. metrics.json, MLflow, the report, the page of a
comparison and the comment of a retraining loop over this table.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Shaped

from digitsum.analysis.calibration import calibration_error, calibration_influence, coverage, coverage_influence
from digitsum.analysis.evidence import Evidence
from digitsum.analysis.intervals import Figures
from digitsum.analysis.sharing import design_effect, share_interval

NOT_A_NUMBER = "\N{EN DASH}"
BOUND = re.compile(r"_(low|high)$")  # ends the names of metrics that are an end of the interval of another


@dataclass(frozen=True)
class Metric:
    """How a metric is shown and computed.

    At most one of three functions computes it. The metric is the mean of `score`, which is a value for each strip; or
    `weighted`, which takes how often each of n strips counts in each of r samples and returns the metric of each
    sample; or `value`, which may be None where something is unknown. Those with `score` or `weighted` have intervals,
    for which `weighted` needs an `influence`: how the metric changes with the weight of each strip, up to a constant
    factor and summand. Metrics without a function come from the stage `confusion`.
    """

    label: str
    better: Literal["higher", "lower"] | None = None
    form: Literal["percent", "number", "count"] = "number"
    headline: bool = False  # stands first in the comment of a retraining
    biased: bool = False  # noise biases it upward
    score: Callable[[Evidence], Shaped[np.ndarray, " n"]] | None = None
    weighted: Callable[[Evidence, Float[np.ndarray, "r n"]], Float[np.ndarray, " r"]] | None = None
    influence: Callable[[Evidence], Float[np.ndarray, " n"]] | None = None
    value: Callable[[Evidence], float | None] | None = None

    def text(self, value: float) -> str:
        """The value as pages and comments show it."""
        if np.isnan(value):
            return NOT_A_NUMBER
        return {"percent": f"{value:.2%}", "number": f"{value:.4f}", "count": f"{value:,.0f}"}[self.form]

    def change(self, before: float, after: float) -> str:
        """The difference, as pages and comments show it."""
        if after == before:
            return "0"
        step = after - before
        return {"percent": f"{100 * step:+.2f} points", "number": f"{step:+.4f}", "count": f"{step:+,.0f}"}[self.form]

    def verdict(self, before: float, after: float) -> Literal["better", "worse", ""]:
        if self.better is None or after == before:
            return ""
        return "better" if (after > before) == (self.better == "higher") else "worse"


def _mean_over_sums(
    evidence: Evidence, score: Shaped[np.ndarray, " n"], weights: Float[np.ndarray, "r n"]
) -> Float[np.ndarray, " r"]:
    """Every sum that occurs counts the same, however rare it is: Baccianella et al., ISDA 2009."""
    strips = weights @ evidence.true_sum.astype(np.float64)
    present = strips > 0
    of_sum = evidence.true_sum * score[:, None].astype(np.float64)
    means = np.divide(weights @ of_sum, strips, out=np.zeros_like(strips), where=present)
    mean: Float[np.ndarray, " r"] = means.sum(axis=1) / present.sum(axis=1)
    return mean


def _influence_over_sums(evidence: Evidence, score: Shaped[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The influence of each strip on `_mean_over_sums`."""
    strips = np.bincount(evidence.sums)
    means = np.bincount(evidence.sums, weights=score) / np.maximum(strips, 1)
    influence: Float[np.ndarray, " n"] = (score - means[evidence.sums]) / strips[evidence.sums]
    return influence


def _end_of_accuracy(end: Literal[0, 1]) -> Callable[[Evidence], float]:
    return lambda evidence: share_interval(evidence.correct, evidence.glyphs)[end]


def _untempered(name: str) -> Callable[[Evidence], float]:
    """A metric without the model's temperature."""
    return lambda evidence: computed(replace(evidence, log_probability=evidence.untempered))[name]


def _accuracy_on(evidence: Evidence, members: Bool[np.ndarray, " n"] | None) -> float | None:
    return None if members is None or not members.any() else float(evidence.correct[members].mean())


def _digit_accuracy(evidence: Evidence) -> float | None:
    if evidence.digits is None or evidence.read is None:
        return None
    return float((evidence.read == evidence.digits).mean())


def _reading_accuracy(evidence: Evidence) -> float | None:
    if evidence.digits is None or evidence.read is None:
        return None
    return float((evidence.read == evidence.digits).all(axis=1).mean())


def _order_accuracy(evidence: Evidence) -> float | None:
    if evidence.digits is None or evidence.read is None:
        return None
    found = (np.sort(evidence.read, axis=1) == np.sort(evidence.digits, axis=1)).all(axis=1)
    return float((evidence.read == evidence.digits).all(axis=1)[found].mean()) if found.any() else None


def _localization_error(evidence: Evidence) -> float | None:
    if evidence.centres is None or evidence.read_centres is None:
        return None
    return float(np.abs(evidence.read_centres.astype(float) - evidence.centres).mean())


# in the order of metrics.json
METRICS: Mapping[str, Metric] = {
    "accuracy": Metric("sums right", "higher", "percent", headline=True, score=lambda e: e.correct),
    "accuracy_low": Metric("sums right, from", None, "percent", value=_end_of_accuracy(0)),  # Wilson
    "accuracy_high": Metric("sums right, to", None, "percent", value=_end_of_accuracy(1)),
    "strips_touching": Metric("strips whose glyphs touch", None, "count", value=lambda e: int(e.touching.sum())),
    "accuracy_touching": Metric(
        "sums right where glyphs touch", "higher", "percent", value=lambda e: _accuracy_on(e, e.touching)
    ),
    "within_1": Metric("within 1 of the sum", "higher", "percent", headline=True, score=lambda e: e.error <= 1),
    "within_2": Metric("within 2 of the sum", "higher", "percent", score=lambda e: e.error <= 2),
    "within_3": Metric("within 3 of the sum", "higher", "percent", score=lambda e: e.error <= 3),
    "mae": Metric("mean absolute error", "lower", headline=True, score=lambda e: e.error),
    "nll": Metric(  # nats
        "negative log-likelihood",
        "lower",
        headline=True,
        score=lambda e: -e.log_probability[e.true_sum].astype(np.float64),
    ),
    "brier": Metric(  # of several classes, in 0..2: Brier, Monthly Weather Review 78 (1950)
        "Brier score", "lower", score=lambda e: ((e.probability - e.true_sum) ** 2).sum(axis=1)
    ),
    "rps": Metric(  # Epstein, J. Applied Meteorology 8 (1969), not divided by the number of sums
        "ranked probability score",
        "lower",
        score=lambda e: ((e.probability - e.true_sum).cumsum(axis=1) ** 2).sum(axis=1),
    ),
    "macro_mae": Metric(
        "mean absolute error, each sum weighted equally",
        "lower",
        weighted=lambda e, w: _mean_over_sums(e, e.error, w),
        influence=lambda e: _influence_over_sums(e, e.error),
    ),
    "macro_recall": Metric(
        "recall, each sum weighted equally",
        "higher",
        "percent",
        headline=True,
        weighted=lambda e, w: _mean_over_sums(e, e.correct, w),
        influence=lambda e: _influence_over_sums(e, e.correct),
    ),
    "calibration_error": Metric(
        "calibration error",
        "lower",
        "percent",
        headline=True,
        biased=True,
        weighted=lambda e, w: calibration_error(e.confidence, e.correct, w),
        influence=lambda e: calibration_influence(e.confidence, e.correct),
    ),
    "coverage_995": Metric(
        "share of strips answered at 99.5% accuracy",
        "higher",
        "percent",
        weighted=lambda e, w: coverage(e.confidence, e.correct, w),
        influence=lambda e: coverage_influence(e.confidence, e.correct),
    ),
    "temperature": Metric("temperature of the model", value=lambda e: e.temperature),
    "nll_untempered": Metric("negative log-likelihood without temperature", "lower", value=_untempered("nll")),
    "calibration_error_untempered": Metric(
        "calibration error without temperature", "lower", "percent", value=_untempered("calibration_error")
    ),
    "strips": Metric("test strips", None, "count", value=lambda e: len(e.sums)),
    "glyphs": Metric(
        "different glyphs on these strips",
        None,
        "count",
        value=lambda e: None if e.glyphs is None else len(np.unique(e.glyphs)),
    ),
    "design_effect": Metric(  # widens the interval of the accuracy
        "variance of sums right, in multiples of that of independent strips",
        value=lambda e: None if e.glyphs is None else design_effect(e.correct, e.glyphs),
    ),
    "strips_repeated": Metric(
        "strips with a repeated digit",
        None,
        "count",
        value=lambda e: None if e.repeated is None else int(e.repeated.sum()),
    ),
    "accuracy_repeated": Metric(
        "sums right where a digit is repeated", "higher", "percent", value=lambda e: _accuracy_on(e, e.repeated)
    ),
    "digit_accuracy": Metric("digits read right, place by place", "higher", "percent", value=_digit_accuracy),
    "reading_accuracy": Metric("strips with all digits read right", "higher", "percent", value=_reading_accuracy),
    "order_accuracy": Metric(
        "readings in the right order, of those with the right digits", "higher", "percent", value=_order_accuracy
    ),
    "localisation_error": Metric(
        "mean distance of read from true centers, in pixels", "lower", value=_localization_error
    ),
    # the stage confusion computes these
    "mistakes": Metric("sums wrong", "lower", "count"),
    "mistake_size": Metric("mean absolute error of the mistakes", "lower"),
    "macro_precision": Metric("precision, each predicted sum weighted equally", "higher", "percent"),
    "attributed": Metric("mistakes whose misread digits are inferred right", "higher", "percent"),
    "attributed_low": Metric("the same, from", None, "percent"),  # Wilson
    "attributed_high": Metric("the same, to", None, "percent"),
    "overlap": Metric("overlap of inferred and true confusion of digits", "higher", "percent"),
}


def described(name: str) -> Metric:
    """The entry of a metric; one that the table does not have, as of another version, is shown by its name."""
    return METRICS.get(name, Metric(name))


def scores(evidence: Evidence) -> pd.DataFrame:
    """A row for each strip, and a column for each metric that is a mean over strips."""
    return pd.DataFrame({name: metric.score(evidence) for name, metric in METRICS.items() if metric.score is not None})


def by_weights(evidence: Evidence) -> Figures:
    """The metrics that have an interval, as a function of how often each strip counts."""
    table = scores(evidence)
    each = table.to_numpy(np.float64)
    others = {name: metric.weighted for name, metric in METRICS.items() if metric.weighted is not None}

    def weighted(weights: Float[np.ndarray, "r n"]) -> Mapping[str, Float[np.ndarray, " r"]]:
        means = weights @ each / weights.sum(axis=1, keepdims=True)
        found = dict(zip(table.columns, means.T, strict=True))
        found |= {name: compute(evidence, weights) for name, compute in others.items()}
        return {name: found[name] for name in METRICS if name in found}

    return weighted


def computed(evidence: Evidence) -> dict[str, float]:
    """The metrics that have an interval, without it."""
    values = by_weights(evidence)(np.ones((1, len(evidence.sums))))
    return {name: float(value[0]) for name, value in values.items()}


def measure(evidence: Evidence, figures: pd.DataFrame) -> dict[str, float]:
    """All metrics that are known, for metrics.json; `figures` are the ones with intervals."""
    values: dict[str, float | None] = dict(zip(figures["figure"], figures["value"], strict=True))
    values |= {name: metric.value(evidence) for name, metric in METRICS.items() if metric.value is not None}
    return {name: value for name in METRICS if (value := values.get(name)) is not None}
