"""Files of results by their checksums: in the working tree, in DVC's cache, or in its remote."""

import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from digitsum.tracking.results.checksums import checksum


def find(path: str, md5: str) -> Path | None:
    """A file with this checksum, from the working tree or DVC's cache."""
    if Path(path).is_file() and checksum(Path(path)) == md5:
        return Path(path)
    cache = cache_folder(Path.cwd())
    file = cache / "files" / "md5" / md5[:2] / md5[2:] if cache else None
    return file if file and file.is_file() and checksum(file) == md5 else None


def fetch(path: str, md5: str) -> Path | None:
    """The same from DVC's remote, if there is one that has it; it is in the cache afterwards."""
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo

    with suppress(Exception), Repo() as repo:  # of DVC, S3, SSH or the network: there is no common kind
        repo.cloud.pull([HashInfo("md5", md5)])
    return find(path, md5)


@cache
def cache_folder(_repository: Path) -> Path | None:
    """Of DVC; None where it does not say."""
    # asked rather than guessed, since it may be anywhere; it takes a second
    said = subprocess.run([sys.executable, "-m", "dvc", "cache", "dir"], capture_output=True, text=True, check=False)
    return Path(said.stdout.strip()) if said.returncode == 0 else None
