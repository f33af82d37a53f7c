"""The examples of docs/extending.md, applied as they stand: few files are touched, and only what uses them reruns."""

import json
import re
from pathlib import Path

import pytest
from conftest import ROOT, change
from shell import call

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def example(title: str) -> str:
    """The patch in the section of this title."""
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (text,) = (part for part in section if part.startswith(f"{title}\n"))
    (patch,) = re.findall(r"^```diff\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return str(patch)


def extend(title: str) -> set[str]:
    """The files that the example touches, after it was applied to the repository in the current folder."""
    patch = Path(".patch")
    patch.write_text(example(title))
    call("git", "apply", "--recount", str(patch))
    patch.unlink()
    touched = {line[3:] for line in call("git", "status", "--porcelain", "--untracked-files=all").splitlines()}
    call("python", "-m", "digitsum", "deps")
    return touched


def would_rerun() -> set[str]:
    """The stages of which DVC finds code or params changed; those after them rerun if outputs change."""
    changed = json.loads(call("dvc", "status", "--json"))
    return {stage for stage, reasons in changed.items() if any("changed deps" in reason for reason in reasons)}


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("title", "touched", "reruns"),
    [
        ("A head", {"digitsum/model/heads.py", "digitsum/params/model.py"}, {"train", "evaluate"}),
        (
            "A source",
            {
                "digitsum/strips/sources/bold.py",
                "digitsum/strips/sources/__init__.py",
                "digitsum/params/ingest.py",
            },
            {"ingest"},
        ),
        ("A metric", {"digitsum/analysis/metrics.py"}, {"evaluate", "confusion"}),
        ("A stage", {"stages/hardest.py", "dvc.yaml"}, {"hardest"}),
        ("A command", {"digitsum/commands/versions.py"}, set()),
    ],
)
def test_an_extension_touches_its_module_and_its_name(title: str, touched: set[str], reruns: set[str]) -> None:
    assert extend(title) == touched
    assert would_rerun() == reruns


def test_an_extended_pipeline_runs(made: Path) -> None:
    for title in ("A head", "A source", "A metric", "A stage", "A command"):
        extend(title)
    change(made, "model", head="normal")
    change(made, "ingest", source="bold")
    call("dvc", "repro")
    assert "off_by_one" in json.loads(Path("reports/metrics.json").read_text())
    assert "sums off by exactly one" in Path("reports/report.html").read_text()
    assert Path("reports/hardest.json").exists()
    assert call("python", "-m", "digitsum", "versions", "numpy").startswith("numpy")
    assert json.loads(Path("data/raw/manifest.json").read_text())["source"] == "bold"
