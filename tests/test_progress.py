"""A bar on a terminal, plain lines elsewhere, and figures only when they are shown."""

import io
import re
import sys

import numpy as np
import pytest
from samples import composed

from digitsum import progress
from digitsum.model.architecture import SumModel
from digitsum.model.self_training import cut_glyphs
from digitsum.progress import Progress, say
from digitsum.strips.dataset import Strips


def test_plain_lines_elsewhere(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    with Progress("train", 40, "strips") as bar:
        for _ in range(4):
            bar.advance(10, lambda: "loss 1.5")
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("train:  25%  loss 1.5  ")
    assert lines[0].endswith(" s left")
    assert "strips/s" in lines[0]
    assert err == ""


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def never() -> str:
        raise AssertionError

    with Progress("train", 20, "strips") as bar:
        bar.advance(10, never)
        bar.advance(10, never)
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard output and standard error, on which bars are shown at once."""
    both = Terminal()
    monkeypatch.setattr(sys, "stdout", both)
    monkeypatch.setattr(sys, "stderr", both)
    monkeypatch.setattr(progress, "SECONDS_BEFORE_BAR", 0.0)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_UPDATES", 0.0)
    return both


def stands_alone(line: str, shown: str) -> bool:
    """Whether a bar was wiped away before the line."""
    before, found, _ = shown.partition(f"{line}\n")
    return bool(found) and not before.splitlines()[-1].rpartition("\r")[2].strip()


def test_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    with Progress("train", 20, "strips") as bar:
        bar.advance(10, lambda: "loss 1.5")
        say("epoch 1")
        bar.advance(10, lambda: "loss 0.5")
    shown = terminal.getvalue()
    for part in ("train", " 50%", "loss 1.5", "strips/s", "100%", "loss 0.5"):
        assert part in shown
    assert stands_alone("epoch 1", shown)


def test_lines_of_self_training_are_not_printed_into_the_bar(model: SumModel, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    model.eval()
    with Progress("train", 20, "strips") as bar:
        bar.advance(10, lambda: "accuracy 6.8%")
        cut_glyphs(model, Strips(composed(8).images, np.full(8, 36)), sure=1.0, hard=0.5)
    (line,) = (part for part in re.split(r"[\r\n]", terminal.getvalue()) if "no glyphs cut out" in part)
    assert stands_alone(line, terminal.getvalue())
    assert line.startswith("train: no glyphs")
