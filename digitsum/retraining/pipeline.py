"""DVC as retraining uses it: from the remote, through the stages, back to the remote."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from digitsum.errors import InputError
from digitsum.params import load_yaml
from digitsum.tracking.results import PARAMS, Essence

Manner = Literal["run", "restored", "skipped"]
SAID: dict[str, Manner] = {  # by dvc repro, of each stage
    r"Running stage '([^']+)':": "run",
    r"Stage '([^']+)' is cached - skipping run": "restored",
    r"Stage '([^']+)' didn't change, skipping": "skipped",
}


@dataclass
class Outcome:
    """What became of a stage: it ran, its outs came out of the run-cache, or they were there already."""

    stage: str
    manner: Manner
    seconds: float = 0.0


def require_remote() -> str:
    """The name of DVC's default remote.

    Raises:
        InputError: if there is none, or it is a folder that is not there.
    """
    name = _said("remote", "default")
    if not name or name.startswith("No default"):
        raise InputError(
            ".dvc/config: no default remote; dvc remote add --default shared URL adds one (a folder, s3://..., ssh://...)"
        )
    remotes = dict(line.split(maxsplit=1) for line in _said("remote", "list").splitlines() if line.strip())
    url = remotes.get(name, "").split("\t")[0].removesuffix("(default)").strip()
    if not url:
        raise InputError(f".dvc/config: the default remote {name} has no URL; dvc remote add --default {name} URL")
    if "://" not in url and not Path(url).is_dir():
        raise InputError(f"{url}: the folder of the DVC remote {name} is not there; mount it, or mkdir -p it")
    return name


def pull() -> None:
    """All that dvc.lock names and the remote has, and the run-cache.

    Raises:
        InputError: if the remote cannot be used.
    """
    _dvc("pull", "--run-cache", "--allow-missing")


def push() -> None:
    """
    Raises:
        InputError: if the remote cannot be used.
    """
    _dvc("push", "--run-cache")


def repro(force: bool) -> list[Outcome]:
    """Runs what changed, or with `force` everything; what stages say passes through.

    Raises:
        InputError: if a stage fails.
    """
    words = [sys.executable, "-m", "dvc", "repro", *(["--force"] if force else [])]
    outcomes: list[Outcome] = []
    started = time.monotonic()
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            for pattern, manner in SAID.items():
                if match := re.match(pattern, line):
                    now = time.monotonic()
                    if outcomes:
                        outcomes[-1].seconds = now - started
                    outcomes.append(Outcome(match[1], manner))
                    started = now
    if outcomes:
        outcomes[-1].seconds = time.monotonic() - started
    if process.returncode:
        stage = f" in the stage {outcomes[-1].stage}" if outcomes else ""
        raise InputError(f"dvc repro failed{stage} with exit code {process.returncode}; what it said is above")
    return outcomes


def known_outcomes(out: str) -> list[Essence]:
    """What the run-cache knows of stages that made `out`: command, params, dependencies and outs of each time."""
    folder = Path(_said("cache", "dir")) / "runs"
    return [_essence(entry) for entry in _entries(folder) if any(made["path"] == out for made in entry.get("outs", []))]


def _entries(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("*/*/*")):
        if file.is_file() and not file.name.endswith(".tmp"):
            yield load_yaml(file.read_text())


def _essence(entry: Mapping[str, Any]) -> Essence:
    return {
        "cmd": entry["cmd"],
        "params": entry.get("params", {}).get(PARAMS, {}),
        "deps": {item["path"]: item["md5"] for item in entry.get("deps", [])},
        "outs": {item["path"]: item["md5"] for item in entry.get("outs", [])},
    }


def _dvc(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "dvc", *words], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), done.stderr)
        reason = " ".join(reason.removeprefix("ERROR:").split())[:200]
        raise InputError(f"dvc {words[0]}: the remote cannot be used ({reason}); dvc remote list names it")


def _said(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "dvc", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()
