"""Find files of results by their checksums: in the working tree, in DVC's cache, or in its remote."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from digitsum.formats import read_json
from digitsum.tracking.results.checksums import checksum

DEFAULT = Path(".dvc/cache")


def find(path: str, md5: str) -> Path | None:
    """A file with this checksum, from the working tree or DVC's cache."""
    return next((file for file in _places(path, md5) if file.is_file() and checksum(file) == md5), None)


def find_out(outs: Mapping[str, str], path: str) -> Path | None:
    """The same for a file that is one of the outs of a result, or lies in one that is a folder."""
    md5 = outs.get(path) or checksum_within(outs, path)
    return find(path, md5) if md5 else None


def checksum_within(outs: Mapping[str, str], path: str) -> str | None:
    """The checksum of a file in a folder among the outs, from DVC's list of the folder; None without that list."""
    for out, md5 in outs.items():
        if path.startswith(f"{out}/"):
            for file in _places("", md5):
                if file.is_file():
                    listed = {f"{out}/{entry['relpath']}": entry["md5"] for entry in read_json(file)}
                    return listed.get(path)
    return None


def _places(path: str, md5: str) -> Iterator[Path]:
    if path:
        yield Path(path)
    yield _in(DEFAULT, md5)  # first, since DVC takes a second to say where its cache is
    if folder := cache_folder(Path.cwd()):
        yield _in(folder, md5)


def _in(folder: Path, md5: str) -> Path:
    return folder / "files" / "md5" / md5[:2] / md5[2:]


def fetch(path: str, md5: str) -> Path | None:
    """Like `find`, after a try to fetch the file from DVC's remote into its cache."""
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo

    with suppress(Exception), Repo() as repo:  # DVC, S3, SSH and the network have no common error
        repo.cloud.pull([HashInfo("md5", md5)])
    return find(path, md5)


@cache
def cache_folder(_repository: Path) -> Path | None:
    """The folder of DVC's cache, which its settings may put anywhere; None where DVC does not name one."""
    done = subprocess.run([sys.executable, "-m", "dvc", "cache", "dir"], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip()) if done.returncode == 0 else None
