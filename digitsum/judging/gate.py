"""The gate: whether a challenger replaces the champion, by a paired test on the same strips and by floors for all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Integer, UInt8
from scipy.stats import false_discovery_control
from sklearn.metrics import recall_score

from digitsum.analysis.calibration import calibration_error
from digitsum.analysis.comparison import Comparison, compare_by_slice, compare_predictions, glyphs_of, rights
from digitsum.analysis.replicates import RecipeComparison, compare_seeds
from digitsum.analysis.sharing import paired_p
from digitsum.analysis.slices import AS_READ, slices
from digitsum.errors import InputError
from digitsum.params.gate import GateParams


@dataclass(frozen=True)
class Check:
    """One condition of the gate; `value` and `bound` are in words."""

    name: str
    value: str
    bound: str
    holds: bool

    def __str__(self) -> str:
        return f"{self.name} {self.value} ({self.bound})"


@dataclass(frozen=True)
class Verdict:
    """What the gate decides and why.

    `comparison` is with the champion and `recipes` compares the seeds of both; they are None where there is no
    champion.
    """

    checks: tuple[Check, ...]
    comparison: Comparison | None
    broken_slices: tuple[str, ...]
    recipes: RecipeComparison | None = None

    @property
    def passes(self) -> bool:
        return all(check.holds for check in self.checks)

    def __str__(self) -> str:
        """The reasons, in a few sentences."""
        failed = [str(check) for check in self.checks if not check.holds]
        held = [str(check) for check in self.checks if check.holds]
        reasons = []
        if self.comparison is None:
            reasons.append("It is not compared with a champion: only the floors decide.")
        else:
            it = self.comparison
            reasons.append(
                f"On the same {it.n:,} test strips, the champion has {it.before:.2%} of the sums right and this model "
                f"{it.after:.2%}: {it.fixed:,} strips are fixed and {it.broken:,} broken."
            )
        if self.recipes is not None and max(self.recipes.seeds) > 1:
            both = self.recipes
            reasons.append(
                f"Over {both.seeds[0]} and {both.seeds[1]} seeds, the recipes have {both.before:.2%} and "
                f"{both.after:.2%}; the 95% interval of the difference is {100 * both.low:+.2f} to "
                f"{100 * both.high:+.2f} points."
            )
        if failed:
            reasons.append(f"It fails on {', '.join(failed)}.")
        if held:
            reasons.append(f"It {'otherwise ' if failed else ''}passes on {', '.join(held)}.")
        if self.broken_slices:
            reasons.append(f"The champion is significantly better on {'; '.join(self.broken_slices)}.")
        return " ".join(reasons)


def judge(
    challenger: pd.DataFrame,
    champion: pd.DataFrame | None,
    images: UInt8[np.ndarray, "n h w"],
    digits: int,
    latency: float,
    gate: GateParams,
    other_seeds: tuple[Sequence[pd.DataFrame], Sequence[pd.DataFrame]] = ((), ()),
) -> Verdict:
    """The verdict on the challenger.

    All tables hold predictions for the strips in `images`, which have `digits` digits each. `latency` is the
    challenger's time for a single strip, in milliseconds. `other_seeds` are predictions of the challenger's recipe and
    of the champion's with other seeds: then recipes are compared, not two models.

    Raises:
        InputError: if there are too few strips to decide.
    """
    if len(challenger) < gate.min_strips:
        raise InputError(
            f"{len(challenger):,} test strips are too few to decide; gate.min_strips in params.yaml is "
            f"{gate.min_strips:,}: raise preprocess.test_strips, or lower gate.min_strips"
        )
    checks = floors(challenger, latency, gate)
    if champion is None:
        return Verdict(tuple(checks), None, ())
    comparison = compare_predictions(champion, challenger)
    # in slices by what the challenger read, its own mistakes would choose the strips that judge it
    parts = {name: part for name, part in slices(images, challenger, digits).items() if not name.endswith(AS_READ)}
    broken = broken_slices(compare_by_slice(champion, challenger, parts), gate.alpha)
    recipes = compare_seeds(
        rights([champion, *other_seeds[1]]),
        rights([challenger, *other_seeds[0]]),
        glyphs_of(champion, challenger),
        gate.seed_sd,
    )
    paired = [
        Check(
            "improvement",
            f"{100 * recipes.gain:+.2f} points",
            f"at least {100 * gate.min_improvement:+.2f}",
            recipes.gain >= gate.min_improvement,
        ),
        Check(
            "one-sided p over strips and seeds",
            f"{recipes.p_value:.2g}",
            f"below {gate.alpha:g}",
            recipes.p_value < gate.alpha,
        ),
        Check(
            "newly broken slices",
            str(len(broken)),
            f"at most {gate.max_broken_slices}",
            len(broken) <= gate.max_broken_slices,
        ),
    ]
    return Verdict((*paired, *checks), comparison, tuple(broken), recipes)


def floors(table: pd.DataFrame, latency: float, gate: GateParams) -> list[Check]:
    """The conditions that hold for every model, compared with a champion or not."""
    sums, predicted = table["sum"].to_numpy(), table["predicted"].to_numpy()
    error = float(calibration_error(table["probability"].to_numpy(), sums == predicted, np.ones((1, len(sums))))[0])
    recall = float(recall_score(sums, predicted, labels=np.unique(sums), average="macro", zero_division=0))
    tails = in_tails(sums, gate.tail)
    tail = float((sums == predicted)[tails].mean())
    return [
        Check(
            "calibration error",
            f"{error:.2%}",
            f"at most {gate.max_calibration_error:.2%}",
            error <= gate.max_calibration_error,
        ),
        Check(
            "macro recall", f"{recall:.2%}", f"at least {gate.min_macro_recall:.2%}", recall >= gate.min_macro_recall
        ),
        Check(
            "accuracy on tail sums",
            f"{tail:.2%} of {int(tails.sum()):,} strips",
            f"at least {gate.min_tail_accuracy:.2%}",
            tail >= gate.min_tail_accuracy,
        ),
        Check(
            "latency of one strip", f"{latency:.1f} ms", f"at most {gate.max_latency:g}", latency <= gate.max_latency
        ),
    ]


def in_tails(sums: Integer[np.ndarray, " n"], share: float) -> Bool[np.ndarray, " n"]:
    """Which strips have the lowest sums, or the highest: whole sums, at each end at least this share of the strips."""
    low, high = np.quantile(sums, [share, 1 - share], method="inverted_cdf")
    tails: Bool[np.ndarray, " n"] = (sums <= low) | (sums >= high)
    return tails


def broken_slices(table: pd.DataFrame, alpha: float) -> list[str]:
    """The slices on which accuracy fell, by one-sided tests of broken against fixed strips.

    The false discovery rate is at most `alpha`: Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995).
    """
    flips = zip(table["fixed"], table["broken"], table["design_effect"], strict=True)
    p_values = [paired_p(*each, two_sided=False) for each in flips]
    worse = table[false_discovery_control(p_values) < alpha]
    return [f"{row.slice} ({row.before:.2%} to {row.after:.2%})" for row in worse.itertuples()]
