"""Whether strips hold as many digits as a model is to read on them."""

import numpy as np
from jaxtyping import Float

IMPOSSIBLE = 0.001  # a number of digits with a smaller probability is not read; test strips have 0.04 and more


def wrong_number(probabilities: Float[np.ndarray, " m"], digits: int) -> str | None:
    """Why a strip does not hold so many digits; None if it may.

    Args:
        probabilities: P(number of digits = c), c in 0..m-1, from `predict_counts`.
    """
    if digits < len(probabilities) and probabilities[digits] >= IMPOSSIBLE:
        return None
    likeliest = int(probabilities.argmax())
    return f"not {named(digits)}, more likely {likeliest or 'none'}"


def named(digits: int) -> str:
    return f"{digits} digit{'' if digits == 1 else 's'}"
