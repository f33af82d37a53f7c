"""A matrix as text: the one picture that every page, mail and terminal shows, without a server and in any colors.

GitHub drops pictures that are given as data, and what a job keeps needs a login. Older GitLabs show a Mermaid chart as
its code, and so do mails.
"""

import numpy as np
from jaxtyping import Int

MOST_CELLS = 40  # on a side; above that, neighboring sums share a cell
SHADES = ("\u00b7 ", "\u2591\u2591", "\u2592\u2592", "\u2593\u2593", "\u2588\u2588")  # a dot, then lighter to full
ABOVE = (0.0, 0.02, 0.1, 0.3)  # shares of a row from which on a cell has the second shade, the third, ...
NUMBERED = 9  # cells from one number at the edge to the next


def shaded(matrix: Int[np.ndarray, "s s"]) -> str:
    """Rows are true sums, columns are predicted ones, and a cell shows its share of the row."""
    width = -(-len(matrix) // MOST_CELLS)
    starts = np.arange(0, len(matrix), width)
    cells = np.add.reduceat(np.add.reduceat(matrix, starts, axis=0), starts, axis=1)
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    shades = (shares[..., None] > ABOVE).sum(axis=-1)
    numbers = [str(number) for number in starts[::NUMBERED]]
    lines = ["    " + "".join(number.ljust(2 * NUMBERED) for number in numbers)]
    for place, row in enumerate(shades.tolist()):
        label = numbers[place // NUMBERED] if place % NUMBERED == 0 else ""
        lines.append(f"{label:>3} {''.join(SHADES[shade] for shade in row)}")
    return "\n".join(map(str.rstrip, lines))
