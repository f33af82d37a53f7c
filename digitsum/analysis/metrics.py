"""How good predicted sums are."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Integer

from digitsum.analysis.calibration import calibration_error, coverage
from digitsum.analysis.intervals import Figures, bootstrap, wilson


def scores(sums: Integer[np.ndarray, " n"], log_probability: Float[np.ndarray, "n s"]) -> pd.DataFrame:
    """A row for each strip, a column for each figure that is a mean over strips.

    `nll` is in nats. `brier` is the multi-class score of Brier (1950), in 0..2; `rps` the ranked probability score of
    Epstein (1969), not divided by the number of sums: for a prediction without doubt it is the absolute error.
    """
    probability = np.exp(log_probability.astype(np.float64))
    happened = np.arange(probability.shape[1]) == sums[:, None]
    error = np.abs(log_probability.argmax(axis=1) - sums)
    return pd.DataFrame(
        {
            "accuracy": error == 0,
            **{f"within_{reach}": error <= reach for reach in (1, 2, 3)},
            "mae": error,
            "nll": -log_probability[happened].astype(np.float64),
            "brier": ((probability - happened) ** 2).sum(axis=1),
            "rps": ((probability - happened).cumsum(axis=1) ** 2).sum(axis=1),
        }
    )


def figures(sums: Integer[np.ndarray, " n"], log_probability: Float[np.ndarray, "n s"]) -> Figures:
    """All that is said of a model, as functions of how often each strip counts.

    Macro figures are means over the sums that occur, however rare they are: Baccianella et al., ISDA 2009.
    """
    table = scores(sums, log_probability)
    correct, error = table["accuracy"].to_numpy(), table["mae"].to_numpy()
    sure = np.exp(log_probability.max(axis=1).astype(np.float64))
    of_sum = np.eye(log_probability.shape[1])[sums]
    each = table.to_numpy(np.float64)

    def weighted(weights: Float[np.ndarray, "r n"]) -> Mapping[str, Float[np.ndarray, " r"]]:
        strips = weights @ of_sum
        present = strips > 0

        def macro(score: np.ndarray) -> Float[np.ndarray, " r"]:
            means = np.divide(weights @ (of_sum * score[:, None]), strips, out=np.zeros_like(strips), where=present)
            mean: Float[np.ndarray, " r"] = means.sum(axis=1) / present.sum(axis=1)
            return mean

        means = weights @ each / weights.sum(axis=1, keepdims=True)
        return dict(zip(table.columns, means.T, strict=True)) | {
            "macro_mae": macro(error),
            "macro_recall": macro(correct),
            "calibration_error": calibration_error(sure, correct, weights),
            "coverage_995": coverage(sure, correct, weights),
        }

    return weighted


def summarise(
    sums: Integer[np.ndarray, " n"],
    log_probability: Float[np.ndarray, "n s"],
    untempered: Float[np.ndarray, "n s"],
) -> pd.DataFrame:
    """Every figure with its bootstrap interval, and what it is without the model's temperature."""
    table = bootstrap(figures(sums, log_probability), len(sums), biased=("calibration_error",))
    before = figures(sums, untempered)(np.ones((1, len(sums))))
    return table.assign(untempered=[before[name][0] for name in table["figure"]])


def headline(
    table: pd.DataFrame, correct: Bool[np.ndarray, " n"], touching: Bool[np.ndarray, " n"], temperature: float
) -> dict[str, float]:
    """Of the summary, what tells results apart; accuracy with its Wilson interval."""
    low, high = wilson(int(correct.sum()), len(correct))
    value, before = (dict(zip(table["figure"], table[column], strict=True)) for column in ("value", "untempered"))
    return {
        "accuracy": value.pop("accuracy"),
        "accuracy_low": low,
        "accuracy_high": high,
        **_slice("touching", correct, touching),
        **value,
        "temperature": temperature,
        **{f"{name}_untempered": before[name] for name in ("nll", "calibration_error")},
        "strips": len(correct),
    }


def by_slice(slices: Mapping[str, Bool[np.ndarray, " n"]], table: pd.DataFrame) -> pd.DataFrame:
    """How many strips each slice has, and of `table` of scores their accuracy, its Wilson interval, and their MAE."""
    rows = []
    for name, members in slices.items():
        own = table[members]
        if len(own):
            low, high = wilson(int(own["accuracy"].sum()), len(own))
            figures = {"accuracy": own["accuracy"].mean(), "low": low, "high": high, "mae": own["mae"].mean()}
            rows.append({"slice": name, "strips": len(own)} | figures)
    return pd.DataFrame(rows)


def against_truth(
    correct: Bool[np.ndarray, " n"],
    digits: Integer[np.ndarray, "n k"],
    centres: Integer[np.ndarray, "n k"],
    read: Integer[np.ndarray, "n k"] | None,
    read_centres: Integer[np.ndarray, "n k"] | None,
) -> dict[str, float]:
    """What can be said where the digits and their centres in pixels are known; `correct` marks sums that are right.

    Of what was `read`: the share of digits that are right, place by place; of strips all of whose digits are; of strips
    with the right digits that have them in the right order; and the mean distance of centres, in pixels.
    """
    in_order = np.sort(digits, axis=1)
    metrics = _slice("repeated", correct, (np.diff(in_order, axis=1) == 0).any(axis=1))
    if read is not None:
        found = (np.sort(read, axis=1) == in_order).all(axis=1)
        ordered = (read == digits).all(axis=1)
        metrics["digit_accuracy"] = float((read == digits).mean())
        metrics["reading_accuracy"] = float(ordered.mean())
        if found.any():
            metrics["order_accuracy"] = float(ordered[found].mean())
    if read_centres is not None:
        metrics["localisation_error"] = float(np.abs(read_centres.astype(float) - centres).mean())
    return metrics


def _slice(name: str, correct: Bool[np.ndarray, " n"], members: Bool[np.ndarray, " n"]) -> dict[str, float]:
    """How many strips are in a slice, and the share of them that is right, where there are any."""
    count = {f"strips_{name}": int(members.sum())}
    return count | ({f"accuracy_{name}": float(correct[members].mean())} if members.any() else {})
