"""What the tags of a row say of its result."""

import json
from collections.abc import Mapping

from digitsum.errors import InputError
from digitsum.tracking.results.result import Result

PATCH = "changes.patch"  # an artifact of the row
NOTE = "mlflow.note.content"
LONGEST_NOTE = 4000  # characters; a tag holds 8,000


def name_of(result: Result) -> str:
    origin = result.experiment or result.commit[:8] + ("+" if result.dirty else "")
    accuracy = result.metrics.get("accuracy")
    return f"{origin} {accuracy:.2%}" if accuracy is not None else origin


def tags_of(result: Result) -> dict[str, str]:
    sources = {path: md5 for path, md5 in result.sources.items() if path.startswith("data/")}
    checksums = sources | {path: md5 for path, md5 in result.outs.items() if not path.startswith("reports/")}
    return {
        "mlflow.source.git.commit": result.commit,
        "digitsum.origin": result.origin,
        "digitsum.patched": str(bool(result.patch)).lower(),
        "digitsum.dirty": str(result.dirty).lower(),
        "digitsum.experiment": result.experiment or "",
        "digitsum.checksums": json.dumps(checksums),
        "digitsum.occasions": occasions_tag([result.occasion]),
        NOTE: _note(result),
    }


def occasions_tag(occasions: list[str]) -> str:
    """As many of the newest as a tag can hold, with the first."""
    while len(text := json.dumps(occasions)) > LONGEST_NOTE:
        del occasions[1]
    return text


def _note(result: Result) -> str:
    kept = f"with changes that `{PATCH}` has" if result.patch else "with changes that are not known"
    where = f"`{result.commit}`" + (f", {kept}" if result.dirty else "")
    if result.experiment and result.patch:
        where += f", which is `{result.origin}` with `{PATCH}`"
    return f"Code and params: {where}.\n\nTo make it again: `python -m digitsum reproduce`, and the id of this run."


def origin_of(tags: Mapping[str, str]) -> tuple[str, bool]:
    """The commit to begin with to make a row again, and whether its patch goes on top.

    Raises:
        InputError: if there were changes that nobody recorded.
    """
    commit, patched = tags["digitsum.origin"], tags["digitsum.patched"] == "true"
    if tags["digitsum.dirty"] == "true" and not patched:
        raise InputError(f"made with changes of {commit[:10]} that nobody recorded, so nothing brings it back")
    return commit, patched


def checksums_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Path to checksum, of the data and the model of a row."""
    found: dict[str, str] = json.loads(tags.get("digitsum.checksums", "{}"))
    return found
