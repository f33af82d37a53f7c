"""The page of a comparison: what changed from one result to another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from digitsum.analysis import pages
from digitsum.analysis.comparison import Comparison, MetricChange
from digitsum.analysis.replicates import RecipeComparison
from digitsum.analysis.report import examples, records

FLIPPED = 40  # strips shown of the fixed ones, and of the broken ones, at most
MISREAD = 16  # kinds of misread digits shown at most


@dataclass(frozen=True)
class Sides:
    """The two results of a comparison: their names, their origins, and in words what was changed between them."""

    before: str
    after: str
    origins: Mapping[str, Sequence[pages.Line]]
    changes: Sequence[str]


def render_comparison(
    sides: Sides,
    whole: Comparison,
    by_metric: Sequence[MetricChange],
    by_slice: pd.DataFrame,
    misread: pd.DataFrame,
    fixed: pd.DataFrame,
    broken: pd.DataFrame,
    images: UInt8[np.ndarray, "n h w"],
    recipes: RecipeComparison | None = None,
) -> str:
    """The HTML page of what changed from one result to another, on the test strips `images`.

    `fixed` are rows of the predictions before, `broken` are rows of the predictions after; the page shows the surest.
    `recipes` compares the seeds of both, where there are several.
    """
    galleries = {
        kind: examples(images, rows.sort_values(["probability", "strip"], ascending=[False, True]).head(FLIPPED))
        for kind, rows in (("fixed", fixed), ("broken", broken))
    }
    return pages.render(
        "comparison.html",
        sides=sides,
        misread=records(misread.head(MISREAD)),
        whole=whole,
        recipes=recipes,
        metrics=by_metric,
        slices=records(by_slice),
        galleries=galleries,
    )
