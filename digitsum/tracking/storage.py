"""Files of results by their checksums: in the working tree, in DVC's cache, or in its remote."""

import subprocess
import sys
from functools import cache
from pathlib import Path

from digitsum.errors import InputError
from digitsum.tracking.checksums import checksum


def find(path: str, md5: str) -> Path | None:
    """A file with this checksum, from the working tree or DVC's cache."""
    if Path(path).is_file() and checksum(Path(path)) == md5:
        return Path(path)
    cache = cache_folder(Path.cwd())
    file = cache / "files" / "md5" / md5[:2] / md5[2:] if cache else None
    return file if file and file.is_file() and checksum(file) == md5 else None


def fetch(path: str, md5: str) -> Path:
    """The same, or from the remote.

    Raises:
        InputError: if it is in none of them.
    """
    if file := find(path, md5):
        return file
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo

    try:
        with Repo() as repo:
            repo.cloud.pull([HashInfo("md5", md5)])
        reason = "nor in its remote"
    except Exception as error:  # of DVC, S3, SSH or the network: there is no common kind
        reason = f"and its remote cannot be used ({' '.join(str(error).split())[:120]})"
    if file := find(path, md5):
        return file
    raise InputError(
        f"{path}: MD5 {md5} is neither in the working tree nor in DVC's cache, {reason}; dvc repro makes it"
    )


@cache
def cache_folder(_repository: Path) -> Path | None:
    """Of DVC; None where it does not say."""
    # asked rather than guessed, since it may be anywhere; it takes a second
    said = subprocess.run([sys.executable, "-m", "dvc", "cache", "dir"], capture_output=True, text=True, check=False)
    return Path(said.stdout.strip()) if said.returncode == 0 else None
