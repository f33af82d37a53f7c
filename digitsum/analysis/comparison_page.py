"""The page of a comparison: what changed from one result to another."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from digitsum.analysis import pages
from digitsum.analysis.comparison import Comparison, MetricChange
from digitsum.analysis.report import examples, records

FLIPPED = 40  # strips shown of the fixed ones, and of the broken ones, at most


def render_comparison(
    name: str,
    whole: Comparison,
    by_metric: Sequence[MetricChange],
    by_slice: pd.DataFrame,
    fixed: pd.DataFrame,
    broken: pd.DataFrame,
    images: UInt8[np.ndarray, "n h w"],
) -> str:
    """The HTML page of what changed since the result `name`, on the test strips `images`.

    `fixed` are rows of that result's predictions, `broken` are rows of the predictions now; the page shows the surest.
    """
    galleries = {
        kind: examples(images, rows.sort_values(["probability", "strip"], ascending=[False, True]).head(FLIPPED))
        for kind, rows in (("fixed", fixed), ("broken", broken))
    }
    return pages.render(
        "comparison.html",
        name=name,
        whole=whole,
        metrics=by_metric,
        slices=records(by_slice),
        galleries=galleries,
    )
