"""Slices: subsets of the test strips that may be harder or easier than others."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Bool, Integer, UInt8

from digitsum.analysis import predictions
from digitsum.analysis.sharing import Glyphs, share_interval
from digitsum.strips.ink import pieces

AS_READ = ", as read"  # ends the names of slices by what the model read, since the truth is unknown
TOUCHING = "glyphs touch or overlap"
GAPS = (18, 26)  # pixels between the closest centers; a column is 8 pixels wide, so readings come in steps of 8
SUM_RANGES = 6  # of equal width
INK_RANGES = 4  # with equally many strips

Slice = tuple[str, Bool[np.ndarray, " n"]]


def slices(images: UInt8[np.ndarray, "n h w"], table: pd.DataFrame, digits: int) -> dict[str, Bool[np.ndarray, " n"]]:
    """The members of each slice, by its name; a slice may be empty.

    `digits` is the number of digits on each strip. Slices by digits and places go by the truth where the table of
    predictions has it, and otherwise by what the model read; the names of the latter end in AS_READ.
    """
    known, places, ending = (*(predictions.numbers(table, name) for name in ("digits", "digit_centres")), "")
    if known is None:
        known, places, ending = (*(predictions.numbers(table, name) for name in ("read", "centres")), AS_READ)
    found = dict(_by_ink(images, digits)) | dict(_by_sum(table["sum"].to_numpy(), 9 * digits))
    for name, members in [*_by_digits(known), *_by_gap(places)]:
        found[name + ending] = members
    return found


def by_slice(slices: Mapping[str, Bool[np.ndarray, " n"]], table: pd.DataFrame, glyphs: Glyphs = None) -> pd.DataFrame:
    """For each slice that is not empty: its strips, and their accuracy with its Wilson interval and MAE.

    `table` holds the scores of all strips.
    """
    rows = []
    for name, members in slices.items():
        own = table[members]
        if len(own):
            low, high = share_interval(own["accuracy"].to_numpy(), None if glyphs is None else glyphs[members])
            figures = {"accuracy": own["accuracy"].mean(), "low": low, "high": high, "mae": own["mae"].mean()}
            rows.append({"slice": name, "strips": len(own)} | figures)
    return pd.DataFrame(rows)


def _by_digits(digits: Integer[np.ndarray, "n k"] | None) -> Iterator[Slice]:
    if digits is None:
        return
    in_order = np.sort(digits, axis=1)
    different = 1 + (np.diff(in_order, axis=1) > 0).sum(axis=1)
    for count in range(1, digits.shape[1] + 1):
        yield f"{count} different digit{'s' if count > 1 else ''}", different == count
    for digit in range(10):
        yield f"contains {digit}", (digits == digit).any(axis=1)


def _by_gap(centres: Integer[np.ndarray, "n k"] | None) -> Iterator[Slice]:
    if centres is None or centres.shape[1] < 2:
        return
    smallest = np.diff(centres.astype(np.int64), axis=1).min(axis=1)
    yield f"closest neighbors under {GAPS[0]} px apart", smallest < GAPS[0]
    for low, high in pairwise(GAPS):
        yield f"closest neighbors {low} to {high - 1} px apart", (low <= smallest) & (smallest < high)
    yield f"closest neighbors {GAPS[-1]} px or more apart", smallest >= GAPS[-1]


def _by_ink(images: UInt8[np.ndarray, "n h w"], digits: int) -> Iterator[Slice]:
    """By whether glyphs touch, and by the width from the first to the last column of pixels with ink."""
    ends = [pieces(strip) for strip in images]
    apart = np.array([len(starts) for starts, _ in ends]) >= digits
    yield TOUCHING, ~apart
    yield "glyphs apart", apart
    widths = np.array([ends[-1] - starts[0] if len(starts) else 0 for starts, ends in ends])
    parts = np.quantile(widths, np.arange(INK_RANGES) / INK_RANGES).astype(int)
    edges = np.unique([*parts, widths.max() + 1])
    for low, high in pairwise(edges.tolist()):
        yield f"ink {low} to {high - 1} px wide", (low <= widths) & (widths < high)


def _by_sum(sums: Integer[np.ndarray, " n"], highest: int) -> Iterator[Slice]:
    edges = np.unique(np.rint(np.linspace(0, highest + 1, SUM_RANGES + 1)).astype(int)).tolist()
    for low, high in pairwise(edges):
        yield f"sum {low} to {high - 1}", (low <= sums) & (sums < high)
