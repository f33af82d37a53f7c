"""The names of tags, and what the tags of a row say about its result."""

import json
from collections.abc import Mapping
from typing import Any

from digitsum.errors import InputError
from digitsum.tracking.results.git import branch_with, is_commit, origin_url
from digitsum.tracking.results.result import Occurrence
from digitsum.tracking.rows.settings import without_password

PARENT, NOTE, NAME = "mlflow.parentRunId", "mlflow.note.content", "mlflow.runName"
GIT = "mlflow.source.git."  # begins MLflow's own tags of the code: commit, branch, dirty, diff, repoURL
COMMIT = f"{GIT}commit"
RESULT = "digitsum.result"  # the key of the result; rows alone have it
RECIPE = "digitsum.recipe"  # Result.recipe; rows alone have it
RECIPE_ROW = "digitsum.recipe_row"  # the same of the row of a recipe, whose children are results
SWEEP = "digitsum.sweep"  # the key of the sweep; its trials alone have it
TRIAL = "digitsum.trial"  # of a trial: its number and the values that the sweep gave it, as JSON
PRUNED = "digitsum.pruned"  # of a trial that was pruned: when
SWEEP_ROW = "digitsum.sweep_row"  # the key of the sweep, of its own row, whose children are the trials
STAGE = "digitsum.stage"
MADE, OUTS = "digitsum.made", "digitsum.outs"  # Result.stage_key and Result.outs_key of a stage's run
DVC_EXPERIMENT, DIRTY = "digitsum.experiment", "digitsum.dirty"
PYTHON, PLATFORM, PACKAGES = "digitsum.python", "digitsum.platform", "digitsum.packages"
RESTORED = "digitsum.restored"  # of a child that stands for a stage which did not run for its row
COMPUTED_BY = "digitsum.computed_by"  # of such a child: the run that computed the stage, if it is known
ARITHMETIC = "digitsum.arithmetic"  # portable or fastest; of a row, portable if all of its stages are
ENVIRONMENT = (PYTHON, PLATFORM, PACKAGES)  # what a result may depend on besides data, params and code
REPRODUCED = "digitsum.reproduced"

PATCH = "changes.patch"  # an artifact of the row
LONGEST = 8000  # characters of a tag: mlflow.utils.validation.MAX_TAG_VAL_LENGTH


def name_of(result: Occurrence) -> str:
    origin = result.experiment or result.commit[:8] + ("+" if result.dirty else "")
    accuracy = result.metrics.get("accuracy")
    return f"{origin} {accuracy:.2%}" if accuracy is not None else origin


def child_name(row: str, stage: str, restored: bool) -> str:
    return f"{row}: {stage}{' (restored)' if restored else ''}"


def tags_of(result: Occurrence) -> dict[str, str]:
    sources = {path: md5 for path, md5 in result.sources.items() if path.startswith("data/")}
    checksums = sources | {path: md5 for path, md5 in result.outs.items() if not path.startswith("reports/")}
    return {
        COMMIT: result.commit,
        f"{GIT}dirty": str(result.dirty).lower(),
        **_repository(result),
        "digitsum.origin": result.origin,
        "digitsum.patched": str(bool(result.patch)).lower(),
        DIRTY: str(result.dirty).lower(),
        RECIPE: result.recipe,
        DVC_EXPERIMENT: result.experiment or "",
        "digitsum.checksums": json.dumps(checksums),
        "digitsum.occasions": occasions_tag([result.name]),
    }


def _repository(result: Occurrence) -> dict[str, str]:
    """MLflow's tags of the repository, as far as there are any."""
    tags = {"branch": branch_with(result.origin), "repoURL": without_password(origin_url())}
    if len(result.patch) <= LONGEST:
        tags["diff"] = result.patch
    return {f"{GIT}{name}": value for name, value in tags.items() if value}


def occasions_tag(occasions: list[str]) -> str:
    """The first occasion, and as many of the newest as a tag can hold."""
    while len(text := json.dumps(occasions)) > LONGEST:
        del occasions[1]
    return text


def occasions_of(tags: Mapping[str, str]) -> list[str]:
    """
    Raises:
        InputError: if the row is not finished, or somebody wrote something else into the tag.
    """
    found = _read(tags, "digitsum.occasions")
    if not isinstance(found, list):
        raise InputError("the row's tag digitsum.occasions is not a list in JSON; python -m digitsum sync may mend it")
    return [str(occasion) for occasion in found]


def note(result: Occurrence, row: str, since: tuple[str, list[str]] | None) -> str:
    """The description of a row; `since` is the result before it, and what has changed since."""
    changes = "This is the first result."
    if since is not None:
        name, changed = since
        listed = "".join(f"\n- `{change}`" for change in changed)
        changes = f"Changed since {name}:\n{listed}" if changed else f"Given the same as {name}, with another outcome."
    kept = f"with the changes in `{PATCH}`" if result.patch else "with changes that were not recorded"
    where = f"`{result.commit}`" + (f", {kept}" if result.dirty else "")
    if result.experiment and result.patch:
        where += f", which is `{result.origin}` with `{PATCH}`"
    return (
        f"{changes}\n\nMake it again: `python -m digitsum reproduce {row}`\n\n"
        f"Code and params: {where}.\n\nMore: `python -m digitsum trace {row}`"
    )


def origin_of(tags: Mapping[str, str]) -> tuple[str, bool]:
    """The commit from which to make a row again, and whether the row's patch goes on top.

    Raises:
        InputError: if the result had changes that were not recorded, or the tag holds no commit id.
    """
    commit, patched = tags.get("digitsum.origin", ""), tags.get("digitsum.patched") == "true"
    if not is_commit(commit):  # before git sees it, since anybody who can write to the store may have chosen it
        raise InputError(
            f"the row's tag digitsum.origin is {commit[:80]!r}, not a commit id, so it cannot be made again"
        )
    if tags.get(DIRTY) == "true" and not patched:
        raise InputError(f"made with changes to {commit[:10]} that were not recorded, so it cannot be made again")
    return commit, patched


def code_of(tags: Mapping[str, str]) -> str:
    """The commit and changes of a row's code, in words."""
    commit, origin = tags.get(COMMIT, "an unknown commit"), tags.get("digitsum.origin")
    if tags.get("digitsum.patched") == "true":
        return f"{commit}, with {PATCH}" if origin == commit else f"{commit}, which is {origin} with {PATCH}"
    return commit + (", with unknown changes" if tags.get(DIRTY) == "true" else "")


def checksums_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Path to checksum, of the data and the model of a row."""
    found = _read(tags, "digitsum.checksums")
    return {path: str(md5) for path, md5 in found.items()} if isinstance(found, dict) else {}


def _read(tags: Mapping[str, str], name: str) -> Any:
    try:
        return json.loads(tags.get(name, "null"))
    except (ValueError, RecursionError):
        return None
