"""The checksums that DVC gives files and folders."""

import hashlib
import json
from pathlib import Path
from typing import Any


def checksum(path: Path) -> str:
    """The MD5 of a file. For a folder, the MD5 of the list of its files, with `.dir` behind it, as in dvc.lock.

    Raises:
        OSError: if there is no such file or folder.
    """
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    listed = [{"md5": checksum(file), "relpath": file.relative_to(path).as_posix()} for file in files]
    listed.sort(key=lambda entry: entry["relpath"])
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode()).hexdigest() + ".dir"


def digest(value: Any) -> str:
    """The same for equal values; 32 hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]
