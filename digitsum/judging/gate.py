"""Whether a challenger takes the place of the champion: a paired test on the same strips, and floors for all."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Integer, UInt8
from scipy.stats import binomtest, false_discovery_control
from sklearn.metrics import recall_score

from digitsum.analysis.calibration import calibration_error
from digitsum.analysis.comparison import Comparison, compare, compare_slices
from digitsum.analysis.slices import AS_READ, slices
from digitsum.errors import InputError
from digitsum.params.gate import GateParams


@dataclass(frozen=True)
class Check:
    """One condition; `value` and `bound` are in words."""

    name: str
    value: str
    bound: str
    holds: bool

    def __str__(self) -> str:
        return f"{self.name} {self.value} ({self.bound})"


@dataclass(frozen=True)
class Verdict:
    """`comparison` is with the champion, and None where there is none."""

    checks: tuple[Check, ...]
    comparison: Comparison | None
    broken_slices: tuple[str, ...]

    @property
    def passes(self) -> bool:
        return all(check.holds for check in self.checks)

    def __str__(self) -> str:
        """Why, in some sentences."""
        failed = [str(check) for check in self.checks if not check.holds]
        held = [str(check) for check in self.checks if check.holds]
        said = []
        if self.comparison is None:
            said.append("It is compared with no champion: the floors alone decide.")
        else:
            it = self.comparison
            said.append(
                f"On the same {it.n:,} test strips it has {it.fixed:,} right that the champion has wrong, and "
                f"{it.broken:,} wrong that the champion has right: {it.before:.2%} becomes {it.after:.2%}."
            )
        if failed:
            said.append(f"It fails on {', '.join(failed)}.")
        if held:
            said.append(f"It {'otherwise ' if failed else ''}holds {', '.join(held)}.")
        if self.broken_slices:
            said.append(f"The champion is significantly better on {'; '.join(self.broken_slices)}.")
        return " ".join(said)


def judge(
    challenger: pd.DataFrame,
    champion: pd.DataFrame | None,
    images: UInt8[np.ndarray, "n h w"],
    digits: int,
    latency: float,
    gate: GateParams,
) -> Verdict:
    """Both are tables of predictions of the strips in `images`; `latency` of the challenger is in milliseconds.

    Raises:
        InputError: if the strips are too few to decide anything.
    """
    if len(challenger) < gate.min_strips:
        raise InputError(
            f"{len(challenger):,} test strips are too few to decide; `gate.min_strips` in params.yaml is "
            f"{gate.min_strips:,}: raise preprocess.test_strips, or lower that"
        )
    checks = _floors(challenger, latency, gate)
    if champion is None:
        return Verdict(tuple(checks), None, ())
    comparison = compare(champion, challenger)
    # by what the challenger read, its own mistakes would choose the slices that it is judged on
    parts = {name: part for name, part in slices(images, challenger, digits).items() if not name.endswith(AS_READ)}
    broken = _broken(compare_slices(champion, challenger, parts), gate.alpha)
    gain = (comparison.fixed - comparison.broken) / comparison.n
    paired = [
        Check(
            "improvement",
            f"{100 * gain:+.2f} points",
            f"at least {100 * gate.min_improvement:+.2f}",
            gain >= gate.min_improvement,
        ),
        Check(
            "McNemar exact p",
            f"{comparison.p_value:.2g}",
            f"below {gate.alpha:g}, and better",
            comparison.p_value < gate.alpha and gain > 0,
        ),
        Check(
            "newly broken slices",
            str(len(broken)),
            f"at most {gate.max_broken_slices}",
            len(broken) <= gate.max_broken_slices,
        ),
    ]
    return Verdict((*paired, *checks), comparison, tuple(broken))


def _floors(table: pd.DataFrame, latency: float, gate: GateParams) -> list[Check]:
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
    """Which strips have the lowest and highest sums that at least this share of the strips reaches, each."""
    low, high = np.quantile(sums, [share, 1 - share], method="inverted_cdf")
    tails: Bool[np.ndarray, " n"] = (sums <= low) | (sums >= high)
    return tails


def _broken(table: pd.DataFrame, alpha: float) -> list[str]:
    """Slices that got worse, while of all that are called so, no more than a share of `alpha` is by chance.

    By exact one-sided tests of broken against fixed: Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995).
    """
    flips = zip(table["broken"], table["fixed"] + table["broken"], strict=True)
    by_chance = [binomtest(broken, both, alternative="greater").pvalue if both else 1.0 for broken, both in flips]
    worse = table[false_discovery_control(by_chance) < alpha]
    return [f"{row.slice} ({row.before:.2%} to {row.after:.2%})" for row in worse.itertuples()]
