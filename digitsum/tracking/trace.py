"""Where a result comes from and what it became, asked from any end: a run, a model, a file, data."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digitsum.errors import InputError
from digitsum.places import LOCK
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.rows.rows import PARENT, Rows
from digitsum.tracking.rows.tags import PATCH, checksums_of, origin_of


def find_row(rows: Rows, client: Any, what: str) -> Any:
    """The row of a run (its own or of one of its stages, by id or name), of models:/NAME@ALIAS, or of a model file.

    Raises:
        InputError: if there is none.
    """
    if what.startswith("models:/m-"):
        return _newest_with(rows, _checksum_of_model(client, what), what)
    if what.startswith("models:/"):
        return _row_of_run(client, _run_of_version(client, what), what)
    if Path(what).exists():
        return _newest_with(rows, checksum(Path(what)), what)
    named = [] if "'" in what else rows.find(mlflow__runName=what)  # a filter cannot say it
    if len(named) > 1:
        ids = ", ".join(run.info.run_id for run in named)
        raise InputError(f"{what}: the name of {len(named)} runs; give one of the ids {ids}")
    return _row_of_run(client, named[0].info.run_id if named else what, what)


def _newest_with(rows: Rows, md5: str, what: str) -> Any:
    if found := rows.with_data(md5):
        return found[-1]
    raise InputError(f"{what}: no result has it (MD5 {md5}); python -m digitsum sync --history adds older ones")


NO_MODEL = "no such model; models:/NAME@ALIAS, models:/NAME/VERSION or models:/m-ID"


def _checksum_of_model(client: Any, uri: str) -> str:
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_logged_model(uri.removeprefix("models:/")).tags["digitsum.md5"])
    except (MlflowException, KeyError) as error:
        raise InputError(f"{uri}: {NO_MODEL}") from error


def _run_of_version(client: Any, uri: str) -> str:
    from mlflow.exceptions import MlflowException

    name, _, alias = uri.removeprefix("models:/").partition("@")
    try:
        if alias:
            return str(client.get_model_version_by_alias(name, alias).run_id)
        name, _, number = name.partition("/")
        return str(client.get_model_version(name, number).run_id)
    except MlflowException as error:
        raise InputError(f"{uri}: {NO_MODEL}") from error


def _row_of_run(client: Any, run_id: str, what: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
        if parent := run.data.tags.get(PARENT):
            run = client.get_run(parent)
    except MlflowException as error:
        raise InputError(
            f"{what}: no such run, model or file; give the id or name of a run, models:/NAME@ALIAS, or a model file"
        ) from error
    if "digitsum.result" not in run.data.tags:
        raise InputError(f"{what}: the run of a stage that is part of no result; python -m digitsum sync adds results")
    return run


def account(rows: Rows, row: Any) -> str:
    """Everything that a result depends on, and the commands that bring it back."""
    tags, run_id = row.data.tags, row.info.run_id
    lines = [("result", f"{row.info.run_name}  (run {run_id})"), ("code", _code(tags))]
    for path, md5 in checksums_of(tags).items():
        lines.append((path.partition("/")[0], f"{md5:<36}  {path}"))
    lines += [("", f"models:/{model}") for model in rows.models_of(row)]
    models = [md5 for path, md5 in checksums_of(tags).items() if path.startswith("models/")]
    same = {run.info.run_id: run.info.run_name for md5 in models for run in rows.with_data(md5)}
    lines += [("same model", f"{other}  {name}") for other, name in same.items() if other != run_id]
    environment = [tags[name] for name in ("digitsum.python", "digitsum.platform", "digitsum.packages") if name in tags]
    lines.append(("environment", "python " + ", ".join(environment) if environment else "not known"))
    for child in rows.find(mlflow__parentRunId=run_id):
        lines.append(("stage", _stage(child)))
    lines += [("occasion", occasion) for occasion in json.loads(tags["digitsum.occasions"])]
    if "digitsum.reproduced" in tags:
        lines.append(("reproduced", tags["digitsum.reproduced"]))
    lines += [("param", f"{name} = {value}") for name, value in sorted(row.data.params.items())]
    lines += [("again", command) for command in _again(tags, run_id)]
    return _aligned(lines)


def _code(tags: Mapping[str, str]) -> str:
    commit, origin = tags["mlflow.source.git.commit"], tags["digitsum.origin"]
    if tags["digitsum.patched"] == "true":
        return f"{commit}, with {PATCH}" if origin == commit else f"{commit}, which is {origin} with {PATCH}"
    return commit + (", with unknown changes" if tags["digitsum.dirty"] == "true" else "")


def _again(tags: Mapping[str, str], run_id: str) -> list[str]:
    """The commands that bring a result back."""
    try:
        commit, patched = origin_of(tags)
    except InputError as error:
        return [str(error)]
    fetch = f"mlflow artifacts download --run-id {run_id} --dst-path . --artifact-path"
    return [
        "git stash --include-untracked",  # git checkout would carry changes along
        f"git checkout {commit}",
        *([f"{fetch} {PATCH} && git apply {PATCH} && rm {PATCH}"] if patched else []),
        f"{fetch} {LOCK}",
        "dvc checkout || dvc pull || dvc repro",
        f"python -m digitsum reproduce {run_id}   # or this: elsewhere, from nothing, and checked",
    ]


def _stage(run: Any) -> str:
    tags = run.data.tags
    if origin := tags.get("digitsum.computed_by"):
        return (
            f"{tags['digitsum.stage']:<12}restored; computed by run {origin}, saved {tags['digitsum.saved_seconds']} s"
        )
    if tags.get("digitsum.restored"):
        return f"{tags['digitsum.stage']:<12}restored; which run computed it is not known here"
    seconds = ((run.info.end_time or run.info.start_time) - run.info.start_time) / 1000
    return f"{tags['digitsum.stage']:<12}{seconds:.1f} s, run {run.info.run_id}"


def users_of(rows: Rows, md5: str) -> str:
    """The results that have data, or a model, with a checksum that begins so.

    Raises:
        InputError: if there are none.
    """
    if not re.fullmatch(r"[0-9a-f]{4,32}(\.dir)?", md5):
        raise InputError(f"{md5!r}: not a checksum; dvc.lock has those of the workspace: 4 to 32 hexadecimal digits")
    found = rows.with_data(md5)
    if not found:
        raise InputError(
            f"{md5}: no result has data with this checksum; python -m digitsum trace names those of a result"
        )
    paths = {path for run in found for path, own in checksums_of(run.data.tags).items() if own.startswith(md5)}
    lines = [(path, "") for path in sorted(paths)]
    return _aligned(lines + [("result", f"{run.info.run_id}  {run.info.run_name}") for run in found])


def _aligned(lines: list[tuple[str, str]]) -> str:
    """Each name once, before the first of its lines."""
    shown, last = [], ""
    for name, text in lines:
        shown.append(f"{'' if name == last else name:<13}{text}".rstrip())
        last = name or last
    return "\n".join(shown)
