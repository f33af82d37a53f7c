"""The analysis of mistakes, which needs only the table of predictions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from digitsum.analysis import predictions
from digitsum.analysis.attribution import INFERRED, KNOWN, agreement, causes, changes, digit_confusion, doubted_labels
from digitsum.analysis.matrix import confusion_matrix, mistakes, pairs, per_sum, pooled, signed_errors
from digitsum.files import write_json

Digits = Int[np.ndarray, "11 11"]


@dataclass(frozen=True)
class Confusion:
    """Metrics and tables of mistakes.

    `wrong` are the strips with a wrong sum, surest first, each with its `error` and, where the model reads digits, its
    `cause`. `inferred` is the confusion of digits inferred from sums, None where the model reads none; `known` is the
    true one, where the true digits are known too.
    """

    metrics: dict[str, float]
    matrix: Int[np.ndarray, "s s"]
    sums: pd.DataFrame
    pairs: pd.DataFrame
    errors: pd.DataFrame
    wrong: pd.DataFrame
    inferred: Digits | None
    known: Digits | None
    doubted: pd.DataFrame

    @property
    def by_cause(self) -> pd.DataFrame:
        """How many strips have each error for each cause; the most frequent errors come first."""
        counts = self.wrong.groupby(["error", "cause"], as_index=False).size().rename(columns={"size": "strips"})
        counts["of_error"] = counts.groupby("error")["strips"].transform("sum")
        order = counts.sort_values(
            ["of_error", "error", "strips", "cause"], ascending=[False, True, False, True], ignore_index=True
        )
        return order.drop(columns="of_error")

    def write(self, folder: Path, table: pd.DataFrame) -> None:
        """Writes every table as a file; `table` holds the predictions."""
        pd.DataFrame(self.matrix).to_csv(folder / "matrix.csv", index_label="true")
        tables = {"per_sum": self.sums, "pairs": self.pairs, "wrong": self.wrong, "doubted": self.doubted}
        if self.inferred is not None:
            tables["causes"] = self.by_cause
        for name, own in tables.items():
            own.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
        for name, counts in (("inferred", self.inferred), ("known", self.known)):
            if counts is not None:
                labels = [*map(str, range(10)), "none"]
                pd.DataFrame(counts, labels, labels).to_csv(folder / f"digits_{name}.csv", index_label="digit")
        # DVC counts the pairs itself, and sorts numbers by value only if they come from JSON
        write_json(folder / "errors.json", self.errors.to_dict("records"))
        write_json(folder / "pairs.json", table[["sum", "predicted"]].to_dict("records"))


def analyze(table: pd.DataFrame, highest: int) -> Confusion:
    """The mistakes in a table of predictions; `highest` is the largest sum that there can be."""
    sums, predicted = table["sum"].to_numpy(), table["predicted"].to_numpy()
    matrix = confusion_matrix(sums, predicted, highest)
    changed = changes(table, INFERRED)
    truly_changed = None if changed is None else changes(table, KNOWN)
    wrong = table[predicted != sums].assign(error=(predicted - sums)[predicted != sums])
    wrong["cause"] = "" if changed is None else causes(changed, wrong["strip"])
    inferred, known = (None if each is None else digit_confusion(each) for each in (changed, truly_changed))
    metrics = mistakes(sums, predicted)
    if inferred is not None and known is not None:
        metrics |= agreement(table, inferred, known)
    return Confusion(
        metrics,
        matrix,
        per_sum(sums, predicted, pooled(matrix.sum(axis=1)), predictions.numbers(table, "glyphs")),
        pairs(matrix),
        signed_errors(sums, predicted),
        wrong.sort_values(["probability", "strip"], ascending=[False, True], ignore_index=True),
        inferred,
        known,
        doubted_labels(table, changed),
    )
