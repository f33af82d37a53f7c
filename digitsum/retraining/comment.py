"""The comment that a retraining leaves on a pull request, in GitHub's Markdown."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from digitsum.analysis.comparison import Comparison, MetricChange
from digitsum.judging.gate import Check
from digitsum.retraining.drift import Drift
from digitsum.retraining.dvc_runs import StageRun

MARK = "<!-- digitsum: retraining -->"  # CI finds its earlier comment by it
LONGEST = 65_536  # characters that GitHub accepts
ROWS = (40, 20, 10, 3)  # of each table, at most; the last fits whatever the words are
CELL, TEXT = 60, 1200  # characters of a cell, and of a sentence


@dataclass(frozen=True)
class Story:
    """What the comment tells about a retraining."""

    mark: str  # of the gate's verdict on this model against the champion
    headline: str  # the verdict in a line
    reason: str  # who became champion, or why nobody did
    checks: Sequence[Check]  # of the gate
    broken_slices: Sequence[str]  # on which the champion is significantly better
    matrix: str  # of sums, as text
    base: str  # the result that this one is compared with
    metrics: list[MetricChange]
    comparison: Comparison | None  # with the base, on the same strips
    params: Mapping[str, tuple[str, str]]  # those that differ from the base: there, and here
    work: str  # what had to run
    stages: list[StageRun]
    pairs: list[tuple[int, int, int, int]]  # true sum, predicted sum, how often before, and how often now
    drift: Drift | None
    model: str  # a sentence about the checksum of the model
    links: Mapping[str, Markup]
    commands: list[Markup]  # that retrain on another machine


def render(story: Story) -> str:
    """The comment, with tables as long as GitHub's limit allows."""
    template = TEMPLATES.get_template("comment.md")
    headlines = [row for row in story.metrics if row.headline] or story.metrics[:1]
    others = [row for row in story.metrics if row not in headlines]
    texts = (
        template.render(mark=Markup(MARK), headlines=headlines, others=others, story=story, most=most) for most in ROWS
    )
    return next(text for text in texts if len(text) < LONGEST)


def escaped(value: Any) -> Markup:
    """One line of text in which Markdown, HTML, and GitHub's mentions, links and formulas have no effect."""
    if isinstance(value, Markup):
        return value
    text = shorten(str(value), TEXT, placeholder="...")
    return Markup(re.sub(r"[\\`*_{}\[\]<>&|~@#!:$\"']", lambda found: f"&#{ord(found[0])};", text))


def cell(value: Any) -> Markup:
    """Text as short as a cell."""
    text = " ".join(str(value).split())
    return escaped(text if len(text) <= CELL else text[: CELL - 3] + "...")


def code(value: Any) -> Markup:
    """A cell with text that others wrote."""
    return Markup("<code>") + cell(value) + Markup("</code>")


TEMPLATES = Environment(
    loader=PackageLoader("digitsum.retraining"),
    autoescape=False,
    finalize=escaped,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {"cell": cell, "code": code}
