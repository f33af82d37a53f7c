"""Whether strips show bright ink on black, as training strips do."""

import numpy as np
from jaxtyping import Bool, UInt8

DARK, BRIGHT = 8, 128  # gray levels in 0..255: the background of a strip is at most DARK, its ink at least BRIGHT


def bright_on_black(strips: UInt8[np.ndarray, "n h w"]) -> Bool[np.ndarray, " n"]:
    """Whether at least half of a strip's border is black, and its brightest pixel bright."""
    border = [strips[:, 0], strips[:, -1], strips[:, :, 0], strips[:, :, -1]]
    dark: np.ndarray = np.concatenate([side <= DARK for side in border], axis=1).mean(axis=1) >= 0.5
    dark &= strips.max(axis=(1, 2)) >= BRIGHT
    return dark
