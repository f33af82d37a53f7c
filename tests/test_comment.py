"""The comment on a pull request: it renders, it is not too long, and text of others stays text."""

import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from digitsum.analysis.comparison import Comparison, compare_metrics
from digitsum.retraining.comment import LONGEST, MARK, Story, render
from digitsum.retraining.drift import Drift, Look
from digitsum.retraining.dvc_runs import StageRun

HOSTILE = (
    "x`|\n\n# @everyone <img src=x onerror=alert(1)> [a](http://e.example) **b** $c$ </code> &lt; \\| ~~d~~ ![](x)"
)
TAGS = {"<code>", "</code>", "<details>", "</details>", "<summary>", "</summary>"}


def story(text: str = "text", many: int = 1) -> Story:
    look = Look(100, 18.0, 15.5, 50.0)
    return Story(
        title=f"97.10% right {text}",
        base=f"main {text}",
        metrics=compare_metrics(
            {"accuracy": 0.967} | {f"{text}{number}": 0.6 for number in range(many)},
            {"accuracy": 0.971} | {f"{text}{number}": 0.5 for number in range(many)},
            {"accuracy": (0.96, 0.98)},
        ),
        comparison=Comparison(4000, 40, 24, 0.967, 0.971, 0.046),
        verdict=f"It is so. {text}",
        params={f"train.{text}{number}": (text * many, text) for number in range(many)},
        stages=[StageRun(text, "run", 12.3) for _ in range(many)],
        pairs=[(18, 19, 3, 9)] * many,
        drift=Drift((f"{text}.npy",) * many, look, look, 0.1, 0.01, 0.9, 0.88, 0.92, f"the champion {text}"),
        model=f"The model {text}",
        links={"MLflow": Markup("[run](<http://mlflow.example/#/runs/1>)")},
        commands=[Markup("git checkout 0123")],
    )


def parsed(text: str) -> list[Token]:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    return [inner for token in tokens for inner in [token, *(token.children or [])]]


def shape(tokens: list[Token]) -> list[str]:
    return [token.type for token in tokens]


def test_it_renders_as_tables_and_lists() -> None:
    text = render(story())
    assert text.startswith(MARK)
    tokens = parsed(text)
    assert shape(tokens).count("table_open") == 6
    assert [token.attrs["href"] for token in tokens if token.type == "link_open"] == ["http://mlflow.example/#/runs/1"]
    (block,) = (token.content for token in tokens if token.type == "fence")
    assert block == "git checkout 0123\n"
    for said in ("40 fixed, 24 broken", "97.10% (96.00% to 98.00%)", "+0.40 points, better", "12.3 s", "**New data**"):
        assert said in text


@pytest.mark.parametrize("text", [HOSTILE, "```\n</details>", "<!-- ", "| a | b |", "@someone #1 :x:", "a\u2028b"])
def test_text_of_others_stays_text(text: str) -> None:
    plain, hostile = parsed(render(story("text"))), parsed(render(story(text)))
    assert shape(hostile) == shape(plain)
    assert {token.content.split()[0] for token in hostile if token.type == "html_inline"} <= TAGS
    assert "@" not in render(story(text))


@settings(max_examples=60, deadline=None)
@examples(st.text(min_size=1, max_size=60).filter(str.strip))
def test_any_text_leaves_the_shape_alone(text: str) -> None:
    assert shape(parsed(render(story(text)))) == shape(parsed(render(story())))


@pytest.mark.parametrize("text", ["`" * 1000, "` " * 1000])
def test_it_is_never_too_long(text: str) -> None:
    assert len(render(story(text, many=500))) < LONGEST
