"""Makes a result again from nothing but its row and git, and says where it first differs."""

import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digitsum.errors import InputError
from digitsum.formats import read_json
from digitsum.places import LOCK, PIPELINE
from digitsum.tracking.recording.tracker import environment
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.results.result import Essence, essence, metrics_files
from digitsum.tracking.rows.tags import PATCH, origin_of

TOLERANCE = 0.02  # of the accuracy; on two processors that of `digits` differed by 0.012, and its mistakes by half


@dataclass(frozen=True)
class Verdict:
    """`diverges` is the first stage whose outs have other checksums; `accuracy` is that of then and of now."""

    diverges: str | None
    accuracy: tuple[float, float]
    same_machine: bool

    @property
    def holds(self) -> bool:
        return self.diverges is None or (not self.same_machine and self.near)

    @property
    def near(self) -> bool:
        then, now = self.accuracy
        return abs(then - now) <= TOLERANCE

    def __str__(self) -> str:
        if self.diverges is None:
            return "identical: every stage made the same bytes"
        where = (
            "this machine and environment"
            if self.same_machine
            else "a machine or environment that is another or was not recorded"
        )
        then, now = self.accuracy
        reach = "within" if self.near else "beyond"
        return f"diverges first at {self.diverges}, on {where}; accuracy {now:g} for {then:g}, {reach} {TOLERANCE:g}"


def reproduce(client: Any, row: Any) -> Verdict:
    """Runs the pipeline in a clean clone with an empty cache, compares, and writes the verdict on the row.

    Raises:
        InputError: if commit, changes or outside data are not to be had, or a stage fails.
    """
    tags = row.data.tags
    with tempfile.TemporaryDirectory(prefix="digitsum-") as temporary:
        clone, papers = Path(temporary) / "clone", Path(temporary) / "papers"
        papers.mkdir()
        commit, patched = origin_of(tags)
        wanted = [LOCK, PATCH] if patched else [LOCK]
        there = {item.path for item in client.list_artifacts(row.info.run_id)}
        if missing := [name for name in wanted if name not in there]:
            raise InputError(
                f"{row.info.run_id}: no {' or '.join(missing)} at {row.info.artifact_uri}; bring its files back there"
            )
        paper = {name: client.download_artifacts(row.info.run_id, name, str(papers)) for name in wanted}
        lock = Path(paper[LOCK]).read_text()
        _clone(commit, paper.get(PATCH), clone)
        _lay_out(essence(lock), clone)
        started = time.time()
        _repro(clone)
        made = essence((clone / LOCK).read_text())
        figures = _figures(clone)
    accuracy = (row.data.metrics.get("accuracy", math.nan), figures.get("accuracy", math.nan))
    verdict = compare(essence(lock), made, accuracy, _same_machine(tags))
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(started))
    client.set_tag(row.info.run_id, "digitsum.reproduced", f"{verdict} ({when}, {platform.node()})")
    return verdict


def compare(
    then: Mapping[str, Essence],
    now: Mapping[str, Essence],
    accuracy: tuple[float, float],
    same_machine: bool,
) -> Verdict:
    first = next((name for name in then if then[name]["outs"] != now.get(name, {}).get("outs")), None)
    return Verdict(first, accuracy, same_machine)


def _clone(commit: str, patch: str | None, clone: Path) -> None:
    _git("clone", "--quiet", "--shared", "--no-checkout", ".", str(clone), failed="cannot be cloned")
    _git(
        "-C",
        str(clone),
        "checkout",
        "--quiet",
        commit,
        failed="is not in this repository; git fetch, or of a colleague's experiment dvc exp pull, may bring it",
    )
    if patch:
        _git("-C", str(clone), "apply", patch, failed=f"does not take {PATCH}")


def _git(*words: str, failed: str) -> None:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{words[-1]} {failed} ({' '.join(done.stderr.split())[:160]})")


def _lay_out(stages: Mapping[str, Essence], clone: Path) -> None:
    """Outside data that git does not have, if it is still what it was."""
    outs = {out for stage in stages.values() for out in stage["outs"]}
    sources = {path: md5 for stage in stages.values() for path, md5 in stage["deps"].items()}
    for path, md5 in sources.items():
        if any(path == out or path.startswith(f"{out}/") for out in outs):
            continue
        copy, original = clone / path, Path(path)
        if copy.exists() and checksum(copy) == md5:
            continue
        if not original.exists() or checksum(original) != md5:
            raise InputError(f"{path}: not what the result was made of (MD5 {md5}); bring that back first")
        _link(original, copy)
    for folder in Path("data").iterdir():  # downloads, as of MNIST, that no stage names
        if folder.is_dir() and folder.as_posix() not in outs and not (clone / folder).exists():
            _link(folder, clone / folder)


def _link(original: Path, copy: Path) -> None:
    """A folder of links, since DVC refuses a link to a folder."""
    if original.is_dir():
        copy.mkdir(parents=True, exist_ok=True)
        for file in original.iterdir():
            _link(file, copy / file.name)
    else:
        copy.unlink(missing_ok=True)
        copy.symlink_to(original.resolve())


def _repro(clone: Path) -> None:
    here = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")}
    here |= {"DIGITSUM_TRACKING": "off", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    dvc = [sys.executable, "-m", "dvc"]
    cache = str(clone / ".dvc" / "cache")
    subprocess.run([*dvc, "config", "--local", "cache.dir", cache], cwd=clone, env=here, check=True)
    done = subprocess.run([*dvc, "repro", "--force", "--no-commit"], cwd=clone, env=here, check=False)
    if done.returncode:
        raise InputError(f"dvc repro failed in a clean clone with exit code {done.returncode}; what it said is above")


def _figures(clone: Path) -> dict[str, float]:
    paths = metrics_files((clone / PIPELINE).read_text())
    return {name: value for path in paths for name, value in read_json(clone / path).items()}


def _same_machine(tags: Mapping[str, str]) -> bool:
    """As far as can be told: the interpreter, the processor and the packages."""
    return all(tags.get(name) == value for name, value in environment().items())
