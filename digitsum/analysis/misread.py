"""Which digits two models misread, beside each other."""

import pandas as pd

from digitsum.analysis.attribution import INFERRED, KNOWN, changes, in_words

COLUMNS = ("misread", "before", "after")


def compare_misread(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """How often each digit was misread in two tables of predictions of the same strips; largest changes come first.

    A row for each kind of misreading, such as "9 read as 3". Empty where one of the models reads no digits.
    """
    counts = []
    for table in (before, after):
        changed = changes(table, KNOWN)
        changed = changes(table, INFERRED) if changed is None else changed
        if changed is None:
            return pd.DataFrame(columns=list(COLUMNS))
        wrong = changed[changed["digit"] != changed["read"]]
        counts.append(wrong.groupby(["digit", "read"]).size())
    both = pd.concat(counts, axis=1, keys=COLUMNS[1:]).fillna(0).astype(int).reset_index()
    both["misread"] = [in_words(digit, read) for digit, read in both[["digit", "read"]].to_numpy().tolist()]
    both["change"] = (both["after"] - both["before"]).abs()
    order = both.sort_values(
        ["change", "after", "digit", "read"], ascending=[False, False, True, True], ignore_index=True
    )
    return order[list(COLUMNS)]
