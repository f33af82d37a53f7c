"""Make a result again from nothing but its row and git, and name the stage where it first differs."""

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

from digitsum import arithmetic
from digitsum.errors import InputError
from digitsum.formats import read_figures
from digitsum.places import LOCK, PIPELINE
from digitsum.tracking.recording.environment import environment
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.results.dvc_files import Essence, metrics_files
from digitsum.tracking.results.git import clean_environment, git, project_folder, top_folder
from digitsum.tracking.results.occurrences import from_lock
from digitsum.tracking.results.result import Result
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.settings import SWITCH
from digitsum.tracking.rows.store import Store
from digitsum.tracking.rows.tags import ARITHMETIC, ENVIRONMENT, PATCH, PYTHON, REPRODUCED, origin_of

TOLERANCE = 0.02  # in accuracy; with `digits`, two processors differed by 0.012, and in half of their mistakes


@dataclass(frozen=True)
class Verdict:
    """How a result made again compares with the recorded one."""

    diverges: str | None  # the first stage whose outs have other checksums
    accuracy: tuple[float, float]  # then and now
    bytes_expected: bool  # see `_bytes_expected`

    @property
    def holds(self) -> bool:
        return self.diverges is None or (not self.bytes_expected and self.near)

    @property
    def near(self) -> bool:
        then, now = self.accuracy
        return abs(then - now) <= TOLERANCE

    def __str__(self) -> str:
        if self.diverges is None:
            return "identical: every stage made the same bytes"
        where = (
            "a machine and environment that must give the same bytes"
            if self.bytes_expected
            else "another machine or environment, or one that was not recorded"
        )
        then, now = self.accuracy
        reach = "within" if self.near else "beyond"
        return f"diverges first at {self.diverges}, on {where}; accuracy {now:g} for {then:g}, {reach} {TOLERANCE:g}"


def reproduce(store: Store, row: Run) -> Verdict:
    """Run the pipeline in a clean clone with an empty cache, compare, and write the verdict on the row.

    The clone holds the row's commit and patch, so whoever can write to the store can run code here.

    Raises:
        InputError: if the commit, the changes or outside data are not available, or a stage fails.
    """
    commit, patched = origin_of(row.tags)
    wanted = [LOCK, PATCH] if patched else [LOCK]
    if missing := sorted(set(wanted) - store.artifacts(row.id)):
        raise InputError(f"run {row.id}: no {' or '.join(missing)} at {row.artifacts}; bring its files back there")
    with tempfile.TemporaryDirectory(prefix="digitsum-") as temporary:
        clone, downloads = Path(temporary) / "clone", Path(temporary) / "downloads"
        downloads.mkdir()
        files = {name: store.download(row.id, name, downloads) for name in wanted}
        then = from_lock(files[LOCK].read_text(), row.name)
        folder = project_folder()
        _clone(commit, files.get(PATCH), clone, folder)
        project = clone / folder
        _lay_out(then, project)
        started = time.time()
        _repro(project)
        now = from_lock((project / LOCK).read_text(), "the clone")
        figures = _figures(project)
    accuracy = (row.metrics.get("accuracy", math.nan), figures.get("accuracy", math.nan))
    verdict = compare(then.stages, now.stages, accuracy, _bytes_expected(row.tags))
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(started))
    store.set_tag(row.id, REPRODUCED, f"{verdict} ({when}, {platform.node()})")
    return verdict


def compare(
    then: Mapping[str, Essence],
    now: Mapping[str, Essence],
    accuracy: tuple[float, float],
    bytes_expected: bool,
) -> Verdict:
    first = next((name for name in then if then[name]["outs"] != now.get(name, {}).get("outs")), None)
    return Verdict(first, accuracy, bytes_expected)


def _clone(commit: str, patch: Path | None, clone: Path, project: str) -> None:
    """A clone at a commit, with a patch whose paths are relative to the project's folder."""
    _git("clone", "--quiet", "--shared", "--no-checkout", str(top_folder()), str(clone), failed="cannot be cloned")
    absent = "is not in this repository; git fetch may bring it, or dvc exp pull if it is a colleague's experiment"
    _git("checkout", "--quiet", "--detach", commit, folder=clone, failed=absent)
    if patch:
        _git("apply", f"--directory={project}", str(patch.resolve()), folder=clone, failed=f"does not take {PATCH}")


def _git(*words: str, failed: str, folder: Path | None = None) -> None:
    try:
        git(*words, folder=folder)
    except subprocess.CalledProcessError as error:
        raise InputError(f"{words[-1]} {failed} ({' '.join(error.stderr.split())[:160]})") from error


def _lay_out(result: Result, project: Path) -> None:
    """Link outside data that git does not have, if it is what the result was made of."""
    for path, md5 in result.sources.items():
        copy, original = project / path, Path(path)
        if copy.exists() and checksum(copy) == md5:
            continue
        if not original.exists() or checksum(original) != md5:
            raise InputError(f"{path}: not what the result was made of (MD5 {md5}); bring that back first")
        _link(original, copy)
    for folder in Path("data").iterdir():  # downloads, of MNIST for example, which are no deps
        if folder.is_dir() and folder.as_posix() not in result.outs and not (project / folder).exists():
            _link(folder, project / folder)


def _link(original: Path, copy: Path) -> None:
    """Link a file, or make a folder of links, since DVC refuses a link to a folder."""
    if original.is_dir():
        copy.mkdir(parents=True, exist_ok=True)
        for file in original.iterdir():
            _link(file, copy / file.name)
    else:
        copy.unlink(missing_ok=True)
        copy.symlink_to(original.resolve())


def _repro(project: Path) -> None:
    here = {name: value for name, value in clean_environment().items() if not name.startswith("DVC_")}
    here |= {SWITCH: "off", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    dvc = [sys.executable, "-m", "dvc"]
    cache = str(project / ".dvc" / "cache")
    subprocess.run([*dvc, "config", "--local", "cache.dir", cache], cwd=project, env=here, check=True)
    done = subprocess.run([*dvc, "repro", "--force", "--no-commit"], cwd=project, env=here, check=False)
    if done.returncode:
        raise InputError(f"dvc repro failed in a clean clone with exit code {done.returncode}; its output is above")


def _figures(project: Path) -> dict[str, float]:
    paths = metrics_files((project / PIPELINE).read_text())
    return {name: value for path in paths for name, value in read_figures(project / path).items()}


def _bytes_expected(tags: Mapping[str, str]) -> bool:
    """Whether this machine must give the bytes of the row.

    For portable arithmetic, any x86-64 Linux machine with AVX2 and the same interpreter must, since requirements.lock
    fixes the packages. For fastest arithmetic, the processor and the packages must be those of the row as well.
    """
    here = environment()
    if tags.get(ARITHMETIC) == "portable" and not arithmetic.obstacle():
        return tags.get(PYTHON) == here[PYTHON]
    return all(tags.get(name) == here[name] for name in ENVIRONMENT)
