"""Why sums are wrong: which digit was read as which, inferred from sums alone.

A model's reading of a strip is compared with its likeliest reading that adds up to the true sum. Where the true digits
are known, the reading is compared with them too, which shows how good the inference is.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from jaxtyping import Int, Integer
from scipy.optimize import linear_sum_assignment

from digitsum.analysis import predictions
from digitsum.analysis.sharing import share_interval
from digitsum.strips.glyphs import SIDE

# pixels between a digit and its reading, at most: less than half a glyph. By default (preprocess.next_left) the centers
# of neighbors are at least half a glyph apart, so a reading is this near to both only if it lies between them.
NEAR = SIDE // 2 - 1
NONE = -1  # in place of a digit: there is none
TYPES = 11  # of what is read: ten digits, or none
SURE = 0.95  # probability of another sum from which a label is doubted
ADDS_UP = "the reading adds up, but another sum is likelier"

INFERRED = ("read_given_sum", "centres_given_sum")  # columns of the predictions
KNOWN = ("digits", "digit_centres")


def changes(table: pd.DataFrame, truth: tuple[str, str]) -> pd.DataFrame | None:
    """Every digit of every strip: `strip`, `digit`, and the digit that it was `read` as; either digit may be NONE.

    `truth` names the columns of the predictions to take for the true digits and their centers: INFERRED or KNOWN. None
    where the predictions have no readings.
    """
    digits, read = predictions.numbers(table, truth[0]), predictions.numbers(table, "read")
    if digits is None or read is None:
        return None
    centres, read_centres = predictions.numbers(table, truth[1]), predictions.numbers(table, "centres")
    strips = np.repeat(table["strip"].to_numpy(), digits.shape[1]).reshape(digits.shape)
    if centres is None or read_centres is None:
        in_order = np.ones(len(table), bool)  # without places, digits are matched by their order
    else:
        in_order = (np.abs(centres - read_centres) <= NEAR).all(axis=1)
    rows = [np.stack([strips[in_order], digits[in_order], read[in_order]], axis=-1).reshape(-1, 3)]
    if centres is not None and read_centres is not None:
        for row in np.flatnonzero(~in_order):
            pairs = _changes_by_place(digits[row], centres[row], read[row], read_centres[row])
            rows.append(np.array([(strips[row, 0], *pair) for pair in pairs]))
    found = pd.DataFrame(np.concatenate(rows), columns=["strip", "digit", "read"])
    return found.sort_values("strip", kind="stable", ignore_index=True)


def matched(centres: Integer[np.ndarray, " k"], read_centres: Integer[np.ndarray, " j"]) -> list[tuple[int, int]]:
    """Pairs of a digit and the reading of it, by their indices.

    They are paired in their order if all pairs are NEAR each other; otherwise, so that distances are smallest.
    """
    away = np.abs(centres[:, None] - read_centres)
    if len(centres) == len(read_centres) and (away.diagonal() <= NEAR).all():
        return [(i, i) for i in range(len(centres))]
    nearest = np.stack(linear_sum_assignment(away.clip(max=NEAR + 1)), axis=-1).tolist()
    return [(i, j) for i, j in nearest if away[i, j] <= NEAR]


def _changes_by_place(
    digits: Integer[np.ndarray, " k"],
    centres: Integer[np.ndarray, " k"],
    read: Integer[np.ndarray, " k"],
    read_centres: Integer[np.ndarray, " k"],
) -> Iterable[tuple[int, int]]:
    """Pairs of digits that are near each other; the digits that are left are paired with NONE."""
    near = matched(centres, read_centres)
    yield from ((digits[i], read[j]) for i, j in near)
    yield from ((digits[i], NONE) for i in sorted(set(range(len(digits))) - {i for i, _ in near}))
    yield from ((NONE, read[j]) for j in sorted(set(range(len(read))) - {j for _, j in near}))


def causes(changed: pd.DataFrame, strips: Iterable[int]) -> list[str]:
    """In words, what was misread on each of `strips`, such as "9 read as 4"."""
    wrong = changed[changed["digit"] != changed["read"]]
    by_strip = dict(iter(wrong.groupby("strip")[["digit", "read"]]))
    found = []
    for strip in strips:
        pairs = by_strip[strip].to_numpy().tolist() if strip in by_strip else []
        found.append(" and ".join(sorted(in_words(*pair) for pair in pairs)) or ADDS_UP)
    return found


def in_words(digit: int, read: int) -> str:
    """A misread digit, such as "9 read as 4"; either digit may be NONE."""
    if read == NONE:
        return f"{digit} missed"
    return f"{digit} read as {read}" if digit != NONE else f"{read} read where there is none"


def digit_confusion(changed: pd.DataFrame) -> Int[np.ndarray, "11 11"]:
    """How often each digit (row) was read as each digit (column); the last row and column stand for no digit."""
    counts = np.zeros((TYPES, TYPES), np.int64)
    np.add.at(counts, (changed["digit"] % TYPES, changed["read"] % TYPES), 1)
    return counts


def agreement(
    table: pd.DataFrame, inferred: Int[np.ndarray, "11 11"], known: Int[np.ndarray, "11 11"]
) -> dict[str, float]:
    """How well the confusion of digits was inferred from sums.

    `attributed` is the share of wrong sums for which every digit was inferred right, with its Wilson interval.
    `overlap` is the share that the two tables of misread digits have in common (Dice, Ecology 26, 1945). Digits whose
    misreadings cancel out are in the true table only.
    """
    wrong = table[table["predicted"] != table["sum"]]
    metrics: dict[str, float] = {}
    if len(wrong):
        right = (wrong["read_given_sum"] == wrong["digits"]).to_numpy()
        low, high = share_interval(right, predictions.numbers(wrong, "glyphs"))
        metrics = {"attributed": float(right.mean()), "attributed_low": low, "attributed_high": high}
    misread = ~np.eye(TYPES, dtype=bool)
    total = (inferred + known)[misread].sum()
    if total:
        metrics["overlap"] = float(2 * np.minimum(inferred, known)[misread].sum() / total)
    return metrics


def doubted_labels(table: pd.DataFrame, changed: pd.DataFrame | None) -> pd.DataFrame:
    """Strips whose label looks wrong: the model is SURE of another sum, and one misread digit would explain the label.

    The surest come first, and among those the ones with the least likely label. Where the model reads no digits, any
    difference up to 9 could be one digit.
    """
    doubted = table[(table["predicted"] != table["sum"]) & (table["probability"] >= SURE)]
    if changed is None:
        doubted = doubted[(doubted["predicted"] - doubted["sum"]).abs() <= 9]
    else:
        wrong = changed[changed["digit"] != changed["read"]]
        single = wrong.groupby("strip").filter(lambda group: len(group) == 1).query("digit >= 0 and read >= 0")
        difference = pd.Series((single["read"] - single["digit"]).to_numpy(), index=single["strip"].to_numpy())
        doubted = doubted[(doubted["predicted"] - doubted["sum"]) == doubted["strip"].map(difference)]
    return doubted.sort_values(
        ["probability", "probability_of_sum", "strip"], ascending=[False, True, True], ignore_index=True
    )
