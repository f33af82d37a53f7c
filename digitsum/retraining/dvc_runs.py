"""DVC as retraining uses it: from the remote, through the stages, back to the remote."""

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

from digitsum.errors import InputError
from digitsum.places import PIPELINE
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.results.dvc_files import metrics_files

Manner = Literal["run", "restored", "skipped"]
SECONDS_TO_ANSWER = 20  # of a remote
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


def forget_empty() -> None:
    """CI gives secrets and variables that nobody set as empty ones, of which S3's library takes one for a region."""
    for name in [name for name, value in os.environ.items() if name.startswith("AWS_") and not value]:
        del os.environ[name]


def require_remote() -> None:
    """Looks whether the default remote answers, and has DVC verify what it sends.

    By default DVC believes most remotes, S3 among them, and takes a replaced object for the one that dvc.lock names.

    Raises:
        InputError: if DVC has no default remote, or it cannot be used.
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
            if not repo.config["remote"][name].get("verify"):
                with repo.config.edit("local") as local:
                    local["remote"].setdefault(name, {})["verify"] = True
            place = repo.cloud.get_remote(name, "push")
            if place.fs.protocol == "local" and not Path(place.path).is_dir():
                raise InputError(f"{url}: the folder of the DVC remote {name} is not there; mount it, or mkdir -p it")
            place.fs.exists(place.path)
            if url.startswith("http"):  # of which nothing is found where nothing answers
                with suppress(HTTPError), urlopen(url, timeout=SECONDS_TO_ANSWER):
                    pass
        except InputError:
            raise
        except Exception as error:  # of DVC, S3, SSH or the network: there is no common kind
            reason = " ".join(str(error).split())[:160]
            raise InputError(f"{url}: the DVC remote {name} cannot be used ({reason})") from error


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
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo

    _dvc("push", "--run-cache")
    # DVC leaves metrics to git, and without them its run-cache restores no stage that writes some on another machine
    metrics = metrics_files(Path(PIPELINE).read_text())
    with Repo() as repo:
        repo.cloud.push([HashInfo("md5", checksum(Path(path))) for path in metrics])


def repro(force: bool, local: bool) -> list[Outcome]:
    """Runs what changed, or with `force` everything; what stages say passes through.

    Unless it is `local`, what the run-cache knows of comes from the remote.

    Raises:
        InputError: if a stage fails.
    """
    words = [sys.executable, "-m", "dvc", "repro", *(["--force"] if force else []), *([] if local else ["--pull"])]
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


def _dvc(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "dvc", *words], check=False)
    if done.returncode:
        raise InputError(f"dvc {words[0]} failed with exit code {done.returncode}; what it said is above")
