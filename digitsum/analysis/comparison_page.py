"""The page that says what changed from one model to another."""

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from digitsum.analysis import pages
from digitsum.analysis.comparison import Comparison
from digitsum.analysis.report import examples, records

FLIPPED = 40  # strips that are shown, of those fixed and of those broken


def render_comparison(
    name: str,
    whole: Comparison,
    by_slice: pd.DataFrame,
    fixed: pd.DataFrame,
    broken: pd.DataFrame,
    images: UInt8[np.ndarray, "n h w"],
) -> str:
    """The HTML page of what changed since the result `name`.

    `fixed` are rows of its predictions, `broken` those of the predictions now, surest first on the page.
    """
    galleries = {
        kind: examples(images, rows.sort_values(["probability", "strip"], ascending=[False, True]).head(FLIPPED))
        for kind, rows in (("fixed", fixed), ("broken", broken))
    }
    return pages.render("comparison.html", name=name, whole=whole, slices=records(by_slice), galleries=galleries)
