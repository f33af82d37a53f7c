"""One text that says what a retraining came to, in GitHub's Markdown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from digitsum.analysis.comparison import Comparison
from digitsum.retraining.drift import Drift
from digitsum.retraining.dvc_runs import Outcome

MARK = "<!-- digitsum: retraining -->"  # by which the comment is found again
LONGEST = 65_536  # characters that GitHub takes
HEADLINES = ("accuracy", "within_1", "mae", "nll", "macro_recall", "calibration_error")
ROWS = (40, 20, 10, 3)  # at most, in each table; the last fits whatever the words are
CELL, TEXT = 60, 1200  # characters of a cell, and of a sentence


@dataclass(frozen=True)
class Story:
    """All that the comment tells."""

    title: str
    base: str  # what the result is compared with
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    metrics_before: Mapping[str, float]
    comparison: Comparison | None  # with the base, on the same strips
    verdict: str  # of the gate, against the champion
    params: Mapping[str, tuple[str, str]]  # before and after, of those that changed
    stages: list[Outcome]
    pairs: list[tuple[int, int, int, int]]  # true sum, predicted sum, how often before, and after
    drift: Drift | None
    model: str  # what there is to say of its checksum
    links: Mapping[str, str]
    commands: list[str]


def render(story: Story) -> str:
    """The tables are as long as fits."""
    template = TEMPLATES.get_template("comment.md")
    rows = metric_rows(story)
    headlines = [row for row in rows if row[0] in HEADLINES] or rows[:1]
    values = {"mark": Markup(MARK), "headlines": headlines, "others": [row for row in rows if row not in headlines]}
    texts = (template.render(values, story=story, most=most) for most in ROWS)
    return next(text for text in texts if len(text) < LONGEST)


def metric_rows(story: Story) -> list[tuple[str, str, str, str]]:
    """Name, value before, value with its interval, and change, of every metric that is no end of an interval."""
    rows = []
    for name, value in story.metrics.items():
        if re.search(r"_(low|high)$", name):
            continue
        before = story.metrics_before.get(name)
        interval = " ({:.4g} to {:.4g})".format(*story.intervals[name]) if name in story.intervals else ""
        change = "" if before is None else f"{value - before:+.4g}" if value != before else "0"
        rows.append((name, "" if before is None else f"{before:.4g}", f"{value:.4g}{interval}", change))
    return rows


def escaped(value: Any) -> Markup:
    """Text that Markdown, HTML and GitHub's mentions, links and formulas leave alone."""
    if isinstance(value, Markup):
        return value
    text = shorten(str(value), TEXT, placeholder="...")  # one line
    return Markup(re.sub(r"[\\`*_{}\[\]<>&|~@#!:$\"']", lambda found: f"&#{ord(found[0])};", text))


def code(value: Any) -> Markup:
    """A cell of what somebody else wrote."""
    text = " ".join(str(value).split())
    return Markup("<code>") + escaped(text if len(text) <= CELL else text[: CELL - 3] + "...") + Markup("</code>")


TEMPLATES = Environment(
    loader=PackageLoader("digitsum.retraining"),
    autoescape=False,
    finalize=escaped,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["code"] = code
