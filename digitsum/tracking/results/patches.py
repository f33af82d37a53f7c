"""Patches that turn the code and params of a commit into those of a result."""

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from digitsum.editing import edited
from digitsum.places import PARAMS, PIPELINE
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.results.git import blobs, diff, git


def of_workspace(commit: str, code: Mapping[str, str], sections: Mapping[str, Any]) -> str:
    """From a commit to files with these checksums and to these params; empty if the workspace lacks such a file."""
    there = [hashlib.md5(text).hexdigest() for text in blobs(commit, list(code))]
    changed = [path for (path, md5), own in zip(code.items(), there, strict=True) if md5 != own]
    if any(not Path(path).is_file() or checksum(Path(path)) != code[path] for path in changed):
        return ""
    tracked = set(git("ls-files", "--", *changed).splitlines()) if changed else set()
    patch = diff(commit, "--", PIPELINE, *sorted(tracked))
    for path in changed:
        if path not in tracked:
            patch += f"diff --git a/{path} b/{path}\nnew file mode 100644\n"
            patch += unified("", Path(path).read_text(), "/dev/null", f"b/{path}")
    return patch + of_params(blobs(commit, [PARAMS])[0].decode(), sections)


def between(commit: str, other: str, code: Mapping[str, str]) -> str:
    """From one commit to another, limited to what a result depends on."""
    return diff(commit, other, "--", PIPELINE, PARAMS, *code)


def of_params(text: str, sections: Mapping[str, Any]) -> str:
    return unified(text, edited(text, sections), f"a/{PARAMS}", f"b/{PARAMS}")


def unified(old: str, new: str, old_name: str, new_name: str) -> str:
    def lines() -> Iterator[str]:
        before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
        for line in difflib.unified_diff(before, after, old_name, new_name):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"

    return "".join(lines())
