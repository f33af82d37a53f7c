"""The likeliest reading that adds up to a known sum: Viterbi's algorithm over the columns."""

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn


def likeliest_of_sum(
    log_blank: Float[Tensor, "n t"], log_digits: Float[Tensor, "n t 10"], digits: int, sums: Int64[Tensor, " n"]
) -> tuple[Int[Tensor, "n k"], Int[Tensor, "n k"]]:
    """The columns and the digits, left to right, of the likeliest reading of k `digits` that adds up to `sums`.

    With k columns that are never blank (`log_blank` is minus infinity), every column holds a digit.
    """
    count, columns = log_blank.shape
    highest = 9 * digits
    best = log_blank.new_full(
        (count, digits + 1, highest + 1), -torch.inf
    )  # by the number of digits and the sum so far
    best[:, 0, 0] = 0
    choices = []  # per column, for each state after it: the digit that led there, or 10 for a blank
    for t in range(columns):
        fired = nn.functional.pad(best[:, :-1], (9, 0, 1, 0), value=-torch.inf).unfold(2, highest + 1, 1)
        by_digit = fired.flip(2).transpose(1, 2) + log_digits[:, t, :, None, None]
        step = torch.cat([by_digit, (best + log_blank[:, t, None, None])[:, None]], dim=1)
        best, choice = step.max(1)
        choices.append(choice)

    rows = torch.arange(count, device=log_blank.device)
    left, rest = torch.full_like(sums, digits), sums.clone()
    found_columns, found_digits = sums.new_zeros(count, digits), sums.new_zeros(count, digits)
    for t in reversed(range(columns)):
        digit = choices[t][rows, left, rest]
        fires = digit < 10
        where = rows[fires]
        found_columns[where, left[fires] - 1] = t
        found_digits[where, left[fires] - 1] = digit[fires]
        left, rest = left - fires.long(), rest - torch.where(fires, digit, 0)
    return found_columns, found_digits
