"""Where a result comes from and what it became, asked from any end: a run, a model, a file, data."""

import json
from pathlib import Path
from typing import Any

from digitsum.errors import InputError
from digitsum.tracking.checksums import checksum
from digitsum.tracking.rows import PARENT, Rows, checksums_of


def find_row(rows: Rows, client: Any, what: str) -> Any:
    """The row of a run (its own or of one of its stages, by id or name), of models:/NAME@ALIAS, or of a model file.

    Raises:
        InputError: if there is none.
    """
    if what.startswith("models:/"):
        return _row_of_run(client, _run_of_model(client, what), what)
    if Path(what).is_file():
        md5 = checksum(Path(what))
        if found := rows.with_data(md5):
            return found[-1]
        raise InputError(
            f"{what}: no result has this file (MD5 {md5}); python -m digitsum sync --history adds older ones"
        )
    named = rows.find(mlflow__runName=what)
    if len(named) > 1:
        ids = ", ".join(run.info.run_id for run in named)
        raise InputError(f"{what}: the name of {len(named)} runs; give one of the ids {ids}")
    return _row_of_run(client, named[0].info.run_id if named else what, what)


def _run_of_model(client: Any, uri: str) -> str:
    from mlflow.exceptions import MlflowException

    name, _, alias = uri.removeprefix("models:/").partition("@")
    try:
        if alias:
            return str(client.get_model_version_by_alias(name, alias).run_id)
        name, _, number = name.partition("/")
        if number:
            return str(client.get_model_version(name, number).run_id)
        return str(client.get_logged_model(name).source_run_id)
    except MlflowException as error:
        raise InputError(f"{uri}: no such model; models:/NAME@ALIAS, models:/NAME/VERSION or models:/m-ID") from error


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


def account(client: Any, rows: Rows, row: Any) -> str:
    """Everything that a result depends on, and the commands that bring it back."""
    tags, run_id = row.data.tags, row.info.run_id
    commit, dirty = tags["mlflow.source.git.commit"], tags["digitsum.dirty"] == "true"
    patch = dirty and any(item.path == "changes.patch" for item in client.list_artifacts(run_id))
    changes = ", with changes.patch" if patch else ", with unknown changes" if dirty else ""
    lines = [("result", f"{row.info.run_name}  (run {run_id})"), ("code", f"{commit}{changes}")]
    for path, md5 in checksums_of(tags).items():
        lines.append(("data" if path.startswith("data/") else "model", f"{md5:<36}  {path}"))
    for model in rows.models_of(row):
        lines.append(("", f"models:/{model}"))
    environment = [tags[name] for name in ("digitsum.python", "digitsum.platform", "digitsum.packages") if name in tags]
    lines.append(("environment", "python " + ", ".join(environment) if environment else "not known"))
    for child in rows.find(mlflow__parentRunId=run_id):
        lines.append(("stage", _stage(child)))
    lines += [("occasion", occasion) for occasion in json.loads(tags["digitsum.occasions"])]
    if "digitsum.reproduced" in tags:
        lines.append(("reproduced", tags["digitsum.reproduced"]))
    lines += [("param", f"{name} = {value}") for name, value in sorted(row.data.params.items())]
    fetch = f"mlflow artifacts download --run-id {run_id} --dst-path . --artifact-path"
    again = [f"git checkout {commit}"]
    again += [f"{fetch} changes.patch && git apply changes.patch"] if patch else []
    again += [f"{fetch} dvc.lock", "dvc checkout || dvc pull || dvc repro"]
    lines += [("again", command) for command in again]
    lines.append(("or, checked", f"python -m digitsum reproduce {run_id}"))
    return _aligned(lines)


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
    """The results that have data, or a model, with this checksum.

    Raises:
        InputError: if there are none.
    """
    found = rows.with_data(md5)
    if not found:
        raise InputError(f"{md5}: no result has data with this checksum; dvc.lock has those of the workspace")
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
