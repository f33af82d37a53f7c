"""A bar on a terminal, plain lines elsewhere, and figures only when they are shown."""

import io
import sys

import pytest

from digitsum import progress
from digitsum.progress import Progress


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


def test_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "SECONDS_BEFORE_BAR", 0.0)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_UPDATES", 0.0)
    with Progress("train", 20, "strips") as bar:
        bar.advance(10, lambda: "loss 1.5")
        bar.say("epoch 1")
        bar.advance(10, lambda: "loss 0.5")
    shown = terminal.getvalue()
    for part in ("train", " 50%", "loss 1.5", "epoch 1\n", "strips/s", "100%", "loss 0.5"):
        assert part in shown
