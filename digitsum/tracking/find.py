"""Find a result by any of its names, and the files that it had."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from digitsum.errors import InputError
from digitsum.places import LOCK
from digitsum.recipes import read_recipe
from digitsum.tracking import NAMES
from digitsum.tracking.results.cache import checksum_within, fetch, find, find_out
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.results.dvc_files import experiments
from digitsum.tracking.results.git import commit_of, is_commit
from digitsum.tracking.results.occurrences import from_lock, in_commit, in_workspace, locked_in, recipe_of_workspace
from digitsum.tracking.results.result import Occurrence, Result
from digitsum.tracking.rows.add import add
from digitsum.tracking.rows.models import checksum_of_model
from digitsum.tracking.rows.models import fetch as fetch_model
from digitsum.tracking.rows.registry import CHALLENGER, CHAMPION, MODEL, Registry
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.store import Store, is_there, opened
from digitsum.tracking.rows.tags import COMMIT, DVC_EXPERIMENT, NAME, OUTS, RECIPE, RESULT, STAGE, checksums_of

WORKSPACE = "workspace"
RECIPES = (".yaml", ".yml")
SHORTEST = 4  # characters of an abbreviated run id
LISTED = 5  # ids in an error


def find_row(store: Store, what: str) -> Run:
    """The row of a result, by any of NAMES. The run of a stage stands for its row, and the newest for its recipe.

    A result in git without a row gets one, without the files that `sync` adds.

    Raises:
        InputError: if there is no such row, or more than one.
    """
    if (result := _in_git(what)) is not None:
        return _row_of_result(store, result, what)
    uri = f"models:/{MODEL}@{what}" if what in (CHAMPION, CHALLENGER) else what
    if uri.startswith("models:/"):
        return _row_of_model(store, uri)
    if what and (removed := [run for run in store.runs({DVC_EXPERIMENT: what}) if RESULT in run.tags]):
        return removed[-1]  # an experiment that DVC has no more
    if _exists(what) and what.endswith(RECIPES):
        return _row_of_recipe(store, what)
    if _exists(what):
        return _newest_with(store, checksum(Path(what)), what)
    return _row_of_run(store, what.removeprefix("runs:/"))


def find_result(what: str) -> Result:
    """The result that `find_row` would find the row of. One in git needs no row.

    Raises:
        InputError: if there is no such result.
    """
    if (result := _in_git(what)) is not None:
        return result
    with opened() as store:
        return result_of(store, find_row(store, what))


def find_model(what: str, path: str) -> Path:
    """The model of a result, which was at `path` among the outs: from the workspace, DVC's cache or MLflow.

    Raises:
        InputError: if there is no such result, or none of them has its model.
    """
    result = _in_git(what)
    if result is not None and (file := find_out(result.outs, path)):
        return file
    with opened() as store:
        return model_of(store, find_row(store, what), path)


def champion() -> Result | None:
    """The result of the registered champion; None if there is no champion, or its row is gone."""
    if not is_there():
        return None
    with opened() as store:
        version = Registry(store).holder(CHAMPION)
        row = store.run(version.run) if version else None
        return result_of(store, row) if row else None


def result_of(store: Store, row: Run) -> Result:
    """
    Raises:
        InputError: if the row has no dvc.lock.
    """
    try:
        with TemporaryDirectory(prefix="digitsum-") as folder:
            lock = store.download(row.id, LOCK, Path(folder)).read_text(errors="replace")
    except InputError:
        if (same := _same_result(row)) is None:
            raise
        return same
    return from_lock(lock, row.name)


def _same_result(row: Run) -> Result | None:
    """The result of a row whose artifacts are gone, if the workspace or the row's commit holds it."""
    with suppress(InputError):
        if (own := here()).key == row.tags.get(RESULT):
            return own
    commit = row.tags.get(COMMIT, "")
    with suppress(InputError, subprocess.CalledProcessError):
        if is_commit(commit) and (held := locked_in(commit, row.name)) and held.key == row.tags.get(RESULT):
            return held
    return None


def here() -> Result:
    """The result of the workspace.

    Raises:
        InputError: if there is no dvc.lock.
    """
    try:
        return from_lock(Path(LOCK).read_text(errors="replace"), "this result")
    except OSError as error:
        raise InputError(f"{LOCK}: no result to compare; dvc repro makes one") from error


@contextmanager
def file_of(result: Result, path: Path | str) -> Iterator[Path]:
    """A file that a stage read or made, while the block runs: from the workspace, DVC's cache, MLflow or the remote.

    Raises:
        InputError: if none of them has it.
    """
    md5 = result.checksum(path) or _checksum_within(result, str(path))
    if md5 is None:
        raise InputError(f"{result.name}: its {LOCK} has no {path}")
    with TemporaryDirectory(prefix="digitsum-") as folder:
        for found in _candidates(result, str(path), md5, Path(folder)):
            if found is not None and found.is_file() and checksum(found) == md5:
                yield found
                return
    raise InputError(
        f"{path} of {result.name} (MD5 {md5}) is neither in DVC's cache nor in MLflow nor in a remote; "
        "dvc fetch in a clone that has it, or python -m digitsum reproduce, brings it back"
    )


def model_of(store: Store, row: Run, path: str) -> Path:
    """The model of a row, which was at `path` among the outs: from the workspace, DVC's cache or MLflow.

    Raises:
        InputError: if none of them has it.
    """
    md5 = checksums_of(row.tags).get(path)
    if md5 and (file := find(path, md5)):
        return file
    if not row.models:
        raise InputError(f"run {row.id}: has no model in MLflow; dvc repro train, then python -m digitsum sync")
    return fetch_model(store, row.models[0], path)


def _candidates(result: Result, path: str, md5: str, folder: Path) -> Iterator[Path | None]:
    yield find(path, md5)
    yield _logged(result, path, folder)
    yield fetch(path, md5)


def _logged(result: Result, path: str, folder: Path) -> Path | None:
    """The file among the artifacts of the stage that made it."""
    for name, stage in result.stages.items():
        for out in stage["outs"]:
            if path == out or path.startswith(f"{out}/"):
                with suppress(InputError), opened() as store:
                    for run in store.runs({OUTS: result.outs_key(name), STAGE: name}):
                        return store.download(run.id, str(Path(path).relative_to(Path(out).parent)), folder)
    return None


def _checksum_within(result: Result, path: str) -> str | None:
    """The checksum of a file in a folder among the outs, whose list may still be in the remote."""
    if md5 := checksum_within(result.outs, path):
        return md5
    if folder := next((out for out in result.outs if path.startswith(f"{out}/")), None):
        fetch(folder, result.outs[folder])
    return checksum_within(result.outs, path)


def _in_git(what: str) -> Result | None:
    """The result of the workspace, a DVC experiment or a git revision; None if it is none of them.

    Raises:
        InputError: if it is one that has no result.
    """
    if what == WORKSPACE:
        return here()
    if what.startswith("models:/"):
        return None
    experiment, commit = None, None
    with suppress(InputError, subprocess.CalledProcessError):  # outside of a repository
        named = {name: commit for commit, name in experiments()}
        experiment, commit = what if what in named else None, named.get(what) or commit_of(what)
    if commit is None:
        return None
    if whole := in_commit(commit, experiment):
        return replace(whole, name=what)
    if (result := locked_in(commit, what)) is None:
        raise InputError(f"{what}: a commit without {LOCK}, which has no result")
    return result


def _row_of_result(store: Store, result: Result, what: str) -> Run:
    """The row of a result in git, which is added if it is missing."""
    if not store.runs({RESULT: result.key}):
        found = in_commit(result.commit, result.experiment) if isinstance(result, Occurrence) else in_workspace()
        if found is not None and found.key == result.key:
            add(store, found)
    if rows := store.runs({RESULT: result.key}):
        return rows[0]
    raise InputError(f"{what}: not the result of a whole pipeline, or its row was deleted in MLflow; run dvc repro")


def _newest_with(store: Store, md5: str, what: str) -> Run:
    if found := store.rows_with(md5):
        return found[-1]
    raise InputError(f"{what}: no row has this file (MD5 {md5}); python -m digitsum sync --history adds older results")


def _row_of_recipe(store: Store, what: str) -> Run:
    recipe = recipe_of_workspace(read_recipe(Path(what)))
    if rows := [row for row in store.runs({RECIPE: recipe}) if row.status == "FINISHED"]:
        return rows[-1]
    if (own := in_workspace()) is not None and own.recipe == recipe:
        return _row_of_result(store, Result(what, own.lock), what)
    raise InputError(
        f"{what}: no result of this recipe with code and other params as they are; python -m digitsum use {what}, then "
        "dvc repro"
    )


def _row_of_model(store: Store, uri: str) -> Run:
    name = uri.removeprefix("models:/")
    if name.startswith("m-"):
        if md5 := checksum_of_model(store, name):
            return _newest_with(store, md5, uri)
    else:
        name, _, alias = name.partition("@")
        name, _, number = name.partition("/")
        registry = Registry(store)
        version = registry.holder(alias, name) if alias else registry.version(number, name)
        run = store.run(version.run) if version else None
        if run is not None:
            return _row_of(store, run, uri)
    raise InputError(f"{uri}: no such model; models:/NAME@ALIAS, models:/NAME/VERSION or models:/m-ID")


def _row_of_run(store: Store, what: str) -> Run:
    found = _runs_called(store, what)
    if not found:
        raise InputError(f"{what}: no such run, model or file; give {NAMES}")
    if len(found) > 1:
        ids = ", ".join(run.id for run in found[:LISTED]) + (", ..." if len(found) > LISTED else "")
        raise InputError(f"{what}: the name or the beginning of the id of {len(found)} runs; give one of the ids {ids}")
    return _row_of(store, found[0], what)


def _runs_called(store: Store, what: str) -> list[Run]:
    if not what.isprintable():
        return []
    if re.fullmatch("[0-9a-f]{32}", what) and (run := store.run(what)):
        return [run]
    if named := store.runs({NAME: what}):
        return named
    return store.runs_from(what) if re.fullmatch(f"[0-9a-f]{{{SHORTEST},32}}", what) else []


def _row_of(store: Store, run: Run, what: str) -> Run:
    if row := store.row_of(run):
        return row
    raise InputError(f"{what}: the run of a stage that is part of no result; python -m digitsum sync adds results")


def _exists(what: str) -> bool:
    with suppress(OSError, ValueError):  # too long, for example
        return bool(what) and Path(what).exists()
    return False
