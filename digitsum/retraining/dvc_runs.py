"""Runs of DVC in a retraining: pull from the remote, reproduce the stages, push to the remote."""

import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.error import HTTPError
from urllib.request import urlopen

from digitsum.errors import InputError, one_line
from digitsum.places import PIPELINE
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.results.dvc_files import metrics_files

Manner = Literal["run", "restored", "skipped"]
SECONDS_TO_ANSWER = 20  # after which an HTTP remote counts as unreachable
REPORTS: dict[str, Manner] = {  # lines that dvc repro prints, one for each stage
    r"Running stage '([^']+)':": "run",
    r"Stage '([^']+)' is cached - skipping run": "restored",
    r"Stage '([^']+)' didn't change, skipping": "skipped",
}


@dataclass
class StageRun:
    """How `dvc repro` dealt with a stage: it ran it, restored its outs from the run-cache, or skipped it."""

    name: str
    manner: Manner
    seconds: float = 0.0


def drop_empty_settings() -> None:
    """CI passes secrets that nobody set as empty variables, and S3's library takes an empty region for a region."""
    for name in [name for name, value in os.environ.items() if name.startswith("AWS_") and not value]:
        del os.environ[name]


def require_remote() -> None:
    """Looks whether the default remote answers, and has DVC verify what it sends.

    By default DVC believes most remotes, S3 among them, and takes a replaced object for the one that dvc.lock names.
    The setting goes into .dvc/config.local, once the remote has answered; folders need none.

    Raises:
        InputError: if DVC has no default remote, or the remote cannot be used.
    """
    from dvc.repo import Repo

    with Repo() as repo:
        name = repo.config["core"].get("remote")
        if name is None:
            raise InputError(
                ".dvc/config: no default remote; dvc remote add --default shared URL adds one (a folder, s3://... or "
                "ssh://...)"
            )
        url = repo.config["remote"].get(name, {}).get("url", "")
        try:
            place = repo.cloud.get_remote(name, "push")
            if place.fs.protocol == "local" and not Path(place.path).is_dir():
                raise InputError(f"{url}: the folder of the DVC remote {name} is missing; mount it, or mkdir -p it")
            place.fs.exists(place.path)
            if url.startswith("http"):  # DVC reports an unreachable HTTP remote as empty, so probe it
                with suppress(HTTPError), urlopen(url, timeout=SECONDS_TO_ANSWER):
                    pass
            if place.fs.protocol != "local" and not repo.config["remote"][name].get("verify"):
                with repo.config.edit("local") as local:
                    local["remote"].setdefault(name, {})["verify"] = True
        except InputError:
            raise
        except Exception as error:  # DVC, S3, SSH and the network raise errors without a common class
            raise InputError(f"{url}: the DVC remote {name} cannot be used ({one_line(error)})") from error


def pull() -> None:
    """Pulls the run-cache, and the files that dvc.lock names and the remote has.

    Raises:
        InputError: if the remote cannot be used.
    """
    _dvc("pull", "--run-cache", "--allow-missing")


def push() -> None:
    """Pushes the files that dvc.lock names, and the run-cache.

    Raises:
        InputError: if the remote cannot be used.
    """
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo

    _dvc("push", "--run-cache")
    # DVC leaves metrics to git, and its run-cache cannot restore a stage on another machine without the metrics
    metrics = metrics_files(Path(PIPELINE).read_text())
    with Repo() as repo:
        repo.cloud.push([HashInfo("md5", checksum(Path(path))) for path in metrics])


def repro(force: bool, local: bool) -> list[StageRun]:
    """Runs the stages that changed, or with `force` all of them, and prints what they print.

    Unless `local`, DVC pulls the files that the run-cache names from the remote.

    Raises:
        InputError: if a stage fails.
    """
    words = [sys.executable, "-m", "dvc", "repro", *(["--force"] if force else []), *([] if local else ["--pull"])]
    stages: list[StageRun] = []
    started = time.monotonic()
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            for pattern, manner in REPORTS.items():
                if match := re.match(pattern, line):
                    now = time.monotonic()
                    if stages:
                        stages[-1].seconds = now - started
                    stages.append(StageRun(match[1], manner))
                    started = now
    if stages:
        stages[-1].seconds = time.monotonic() - started
    if process.returncode:
        where = f" in the stage {stages[-1].name}" if stages else ""
        raise InputError(f"dvc repro failed{where} with exit code {process.returncode}; its messages are above")
    return stages


def _dvc(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "dvc", *words], check=False)
    if done.returncode:
        raise InputError(f"dvc {words[0]} failed with exit code {done.returncode}; its messages are above")
