"""Finds the ink on a strip."""

import numpy as np
from jaxtyping import Int, Integer, UInt8


def pieces(strip: UInt8[np.ndarray, "h w"]) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """Columns where each piece of ink starts and ends; pieces are separated by empty columns of pixels.

    An end is the first empty column after the piece.
    """
    edges = np.flatnonzero(np.diff(strip.any(axis=0), prepend=False, append=False))
    return edges[0::2], edges[1::2]


def offset(strips: UInt8[np.ndarray, "n h w"], centres: Integer[np.ndarray, "n k"]) -> int:
    """How many pixels glyphs are to the right of `centres`: the median over strips with as many pieces as digits."""
    apart = [
        (starts + ends) // 2 - place
        for (starts, ends), place in zip(map(pieces, strips), centres, strict=True)
        if len(starts) == len(place)
    ]
    return int(np.median(apart)) if apart else 0
