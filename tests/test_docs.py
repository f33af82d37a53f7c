"""The pages in docs and the README keep what they promise: commands run, links lead somewhere, recipes are known.

The commands are the lines that begin with `$ ` in blocks of ```console. A block of ```console no-test is not run.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from markdown_it import MarkdownIt
from markdown_it.token import Token
from PIL import Image
from servers import free_port, wait
from tracked import ON, rows, sync

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("data/*/*.md")])
SERVERS = r"make (ui|demo)|python -m digitsum (ui|demo)|mlflow (server|models serve)"


def tokens(page: Path) -> Iterator[Token]:
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(page.read_text()):
        yield token
        yield from token.children or []


def commands(page: Path) -> list[str]:
    """In their order, without the comments behind them."""
    blocks = [token.content for token in tokens(page) if token.type == "fence" and token.info.strip() == "console"]
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [line.partition("  # ")[0].strip() for line in lines]


SHOWN = {page.relative_to(ROOT).as_posix(): commands(page) for page in PAGES}


def run_shown(command: str) -> None:
    """A server is awaited and stopped. `make` takes the environment as it is."""
    command = re.sub(r"^make\b", "make --old-file=.venv/ready", command)
    words = ["bash", "-euo", "pipefail", "-c", command]
    if not re.match(SERVERS, command.replace(" --old-file=.venv/ready", "")):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode in (0, -signal.SIGPIPE, 128 + signal.SIGPIPE), f"{command}\n{done.stdout}\n{done.stderr}"
        return
    port = free_port()
    words[-1] += {"make": f" PORT={port}", "pyth": f" --port {port}", "mlfl": f" --port {port}"}[command[:4]]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, stdout=quiet, stderr=quiet, start_new_session=True) as process:
        try:
            wait(f"http://127.0.0.1:{port}", process)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("document", [document for document, shown in SHOWN.items() if shown])
def test_shown_commands_run(document: str, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a finished repository; RUN stands for the id of its row, photo.jpg and scan.png for a strip."""
    for name, value in ON.items():
        monkeypatch.setenv(name, value)
    for name in ("Makefile", "recipes", "benchmarks"):
        if (ROOT / name).exists():
            (made / name).symlink_to(ROOT / name)
    for name in ("photo.jpg", "scan.png"):
        picture = next((made / "docs").glob("*.png"), None) or ROOT / "docs" / "readings.png"
        Image.open(picture).convert("L").resize((168, 40)).save(name)
    sync()
    (row,) = rows()
    for command in SHOWN[document]:
        run_shown(re.sub(r"\bRUN\b", row.info.run_id, command))


@pytest.mark.parametrize("document", SHOWN)
def test_links_lead_to_files_and_headings(document: str) -> None:
    found = [*tokens(ROOT / document)]
    addresses = [token.attrs[name] for token in found for name in ("href", "src") if name in token.attrs]
    for address in map(str, addresses):
        path, _, heading = address.partition("#")
        if re.match(r"\w+:", path):
            continue
        target = (ROOT / document).parent / path if path else ROOT / document
        assert target.exists(), f"{document}: {address}"
        if heading:
            assert heading in headings(target), f"{document}: {address}"


def headings(page: Path) -> set[str]:
    """Their names in links, as GitHub makes them."""
    lines = [re.sub(r"[`*_\[\]]|\]\(.*?\)", "", title) for title in re.findall(r"^#+ (.+)$", page.read_text(), re.M)]
    return {re.sub(r"[^\w\- ]", "", line.lower()).strip().replace(" ", "-") for line in lines}


@pytest.mark.parametrize("recipe", sorted(path.name for path in ROOT.glob("recipes/*")))
def test_recipe_is_mentioned(recipe: str) -> None:
    assert any(recipe in page.read_text() for page in PAGES)
