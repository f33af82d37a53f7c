"""The comment on a pull request: it renders, it is not too long, and text of others stays text."""

import numpy as np
import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from digitsum.analysis.comparison import Comparison, compare_metrics
from digitsum.judging.gate import Check
from digitsum.retraining.comment import LONGEST, MARK, Story, render
from digitsum.retraining.drift import Drift, Look
from digitsum.retraining.dvc_runs import StageRun
from digitsum.retraining.shading import MOST_CELLS, shaded

HOSTILE = (
    "x`|\n\n# @everyone <img src=x onerror=alert(1)> [a](http://e.example) **b** $c$ </code> &lt; \\| ~~d~~ ![](x)"
)
TAGS = {"<code>", "</code>", "<details>", "</details>", "<summary>", "</summary>"}


def story(text: str = "text", many: int = 1) -> Story:
    look = Look(100, 18.0, 15.5, 50.0)
    return Story(
        mark="x",
        headline=f"Promoted: 97.10% {text}",
        reason=f"It is so. {text}",
        checks=[Check(text, text, text, number % 2 == 0) for number in range(2)],
        broken_slices=[text] * many,
        matrix=shaded(np.eye(37, dtype=np.int64)),
        base=f"main {text}",
        metrics=compare_metrics(
            {"accuracy": 0.967} | {f"{text}{number}": 0.6 for number in range(many)},
            {"accuracy": 0.971} | {f"{text}{number}": 0.5 for number in range(many)},
            {"accuracy": (0.96, 0.98)},
        ),
        comparison=Comparison(4000, 40, 24, 0.967, 0.971, 0.046),
        params={f"train.{text}{number}": (text * many, text) for number in range(many)},
        work=f"Ran {text}",
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
    assert shape(tokens).count("table_open") == 7
    assert [token.attrs["href"] for token in tokens if token.type == "link_open"] == ["http://mlflow.example/#/runs/1"]
    matrix, block = (token.content for token in tokens if token.type == "fence")
    assert matrix.count("\u2588\u2588") == 37
    assert block == "git checkout 0123\n"
    assert text.splitlines()[1] == "### x Promoted&#58; 97.10% text"
    for said in ("40 fixed, 24 broken", "97.10% (96.00% to 98.00%)", "12.3 s", "**New data**"):
        assert said in text
    assert [line.split(", ")[1] for line in text.splitlines() if " points, " in line] == ["\U0001f7e2 better |"]
    assert [line.split(" | ")[-1] for line in text.splitlines() if line.startswith("| text | ")][:2] == [
        "\u2705 yes |",
        "\u274c no |",
    ]


@pytest.mark.parametrize("sums", [2, 37, 73, 901])
def test_matrix_is_a_square_of_shades(sums: int) -> None:
    counts = np.diag(np.full(sums, 98))
    counts[0, -1] = 2
    first, *rows = shaded(counts).splitlines()
    assert len(rows) == -(-sums // -(-sums // MOST_CELLS))
    assert first.split()[0] == rows[0].split()[0] == "0"
    assert {len(row) for row in rows} <= {4 + 2 * len(rows), 3 + 2 * len(rows)}
    assert [row.index("\u2588") for row in rows] == [4 + 2 * place for place in range(len(rows))]
    assert rows[0].endswith("\u2591\u2591")


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
