"""Where a result comes from, and what has the same data or model."""

import re
import subprocess
from contextlib import suppress
from pathlib import Path
from shlex import quote

from digitsum.errors import InputError
from digitsum.places import LOCK
from digitsum.tracking.results.cache import cache_folder
from digitsum.tracking.results.changes import changed_params, default_params
from digitsum.tracking.results.git import project_folder, top_folder
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.settings import embedded_store
from digitsum.tracking.rows.store import Store
from digitsum.tracking.rows.tags import (
    ARITHMETIC,
    COMPUTED_BY,
    ENVIRONMENT,
    PARENT,
    PATCH,
    REPRODUCED,
    RESTORED,
    STAGE,
    checksums_of,
    code_of,
    occasions_of,
    origin_of,
)


def account(store: Store, row: Run) -> str:
    """Everything that a result depends on; the commands that bring it back and the params that differ come first."""
    tags, checksums = row.tags, checksums_of(row.tags)
    lines = [("result", f"{row.name}  (run {row.id})")]
    lines += [("again", command) for command in _again(store, row)]
    default = {name: value for name, value in default_params().items() if name in row.params}
    if default:
        differ = changed_params(default, row.params)
        words = [f"{name} = {now}  ({then or 'unset'} by default)" for name, (then, now) in differ.items()]
        lines += [("differs", word) for word in words or ["no param differs from the default"]]
    lines.append(("code", code_of(tags)))
    for path, md5 in checksums.items():
        lines.append((path.partition("/")[0], f"{md5:<36}  {path}"))
    lines += [("", f"models:/{model}") for model in row.models]
    models = [md5 for path, md5 in checksums.items() if path.startswith("models/")]
    same = {run.id: run.name for md5 in models for run in store.rows_with(md5)}
    lines += [("same model", f"{other}  {name}") for other, name in same.items() if other != row.id]
    environment = [tags[name] for name in (*ENVIRONMENT, ARITHMETIC) if name in tags]
    lines.append(("environment", "python " + ", ".join(environment) if environment else "not known"))
    lines += [("stage", _stage(child)) for child in store.runs({PARENT: row.id})]
    lines += [("occasion", occasion) for occasion in occasions_of(tags)]
    if REPRODUCED in tags:
        lines.append(("reproduced", tags[REPRODUCED]))
    lines += [("param", f"{name} = {value}") for name, value in sorted(row.params.items())]
    return _aligned(lines)


def _again(store: Store, row: Run) -> list[str]:
    """The commands that bring a result back in a worktree of its own, so that the user's checkout stays as it is."""
    try:
        commit, patched = origin_of(row.tags)
    except InputError as error:
        return [str(error)]
    top, folder = Path.cwd(), ""
    with suppress(InputError, subprocess.CalledProcessError):  # asked from outside of the repository
        top, folder = top_folder(), project_folder()
    tree = top.with_name(f"{top.name}-{row.id[:8]}")
    fetch = f"mlflow artifacts download --run-id {row.id} --dst-path . --artifact-path"
    apply = f"git apply {PATCH}"
    if folder:  # the patch is relative to the project, and git apply to the repository
        apply = f'git -C "$(git rev-parse --show-toplevel)" apply --directory={quote(folder)} "$PWD/{PATCH}"'
    cache = cache_folder(Path.cwd())
    return [
        f"python -m digitsum reproduce {row.id}   # in a clean clone, with a check of each stage; or by hand:",
        f"git worktree add --detach {quote(str(tree))} {commit} && cd {quote(str(tree / folder))}",
        *([f"export MLFLOW_TRACKING_URI={quote(store.uri)}"] if embedded_store(store.uri) else []),
        *([f"dvc config --local cache.dir {quote(str(cache))}"] if cache else []),
        *([f"{fetch} {PATCH} && {apply} && rm {PATCH}"] if patched else []),
        f"{fetch} {LOCK}",
        "dvc checkout || dvc pull || dvc repro",
    ]


def _stage(run: Run) -> str:
    stage = f"{run.tags[STAGE]:<12}"
    if origin := run.tags.get(COMPUTED_BY):
        return f"{stage}restored; computed by run {origin}, saved {run.tags['digitsum.saved_seconds']} s"
    if run.tags.get(RESTORED):
        return f"{stage}restored; which run computed it is not known here"
    return f"{stage}{run.seconds:.1f} s, run {run.id}"


def users_of(store: Store, md5: str) -> str:
    """The results that have data, or a model, with a checksum that begins so.

    Raises:
        InputError: if there are none.
    """
    if not re.fullmatch(r"[0-9a-f]{4,32}(\.dir)?", md5):
        raise InputError(f"{md5!r}: not a checksum; give 4 to 32 hexadecimal digits of a checksum in dvc.lock")
    found = store.rows_with(md5)
    if not found:
        raise InputError(
            f"{md5}: no result has data with this checksum; python -m digitsum trace RESULT lists a result's checksums"
        )
    paths = {path for run in found for path, own in checksums_of(run.tags).items() if own.startswith(md5)}
    lines = [(path, "") for path in sorted(paths)]
    return _aligned(lines + [("result", f"{run.id}  {run.name}") for run in found])


def _aligned(lines: list[tuple[str, str]]) -> str:
    """Each name once, before the first of its lines."""
    shown, last = [], ""
    for name, text in lines:
        one_line = text.replace("\n", " ")  # texts from the store must not add lines of their own
        shown.append(f"{'' if name == last else name:<13}{one_line}".rstrip())
        last = name or last
    return "\n".join(shown)
