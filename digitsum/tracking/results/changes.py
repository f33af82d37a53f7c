"""What one result was given that another was not: params, data and code."""

from collections.abc import Mapping

from digitsum.errors import InputError
from digitsum.formats import load_yaml
from digitsum.places import LOCK, PARAMS
from digitsum.tracking.results.dvc_files import flat
from digitsum.tracking.results.git import blobs, commit_of, git
from digitsum.tracking.results.occurrences import UNREADABLE, locked_in
from digitsum.tracking.results.result import Occurrence, Result

MAIN = "main"  # the branch whose params are the default
LOOKED_AT = 20  # commits with another dvc.lock before a result
NAMED = 4  # files of code in a list


def result_before(result: Occurrence) -> Result | None:
    """The newest other result in the history of the commit that a result started from; None if there is none."""
    try:
        for commit in git("rev-list", f"--max-count={LOOKED_AT}", result.origin, "--", LOCK).split():
            earlier = locked_in(commit, f"commit {commit[:10]}")
            if earlier is not None and earlier.key != result.key:
                return earlier
    except (InputError, *UNREADABLE):
        pass  # no repository, or an origin that is gone
    return None


def changed_params(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Flat params that differ: before and after, empty where there was no such param."""
    names = sorted(before.keys() | after.keys())
    pairs = {name: (before.get(name, ""), after.get(name, "")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def default_params() -> dict[str, str]:
    """The flat params of params.yaml on the main branch, or where there is none, of HEAD; empty if there is neither."""
    try:
        for revision in (f"refs/remotes/origin/{MAIN}", f"refs/heads/{MAIN}", "HEAD"):
            if commit := commit_of(revision):
                (text,) = blobs(commit, [PARAMS])
                return flat(load_yaml(text.decode()) or {})
    except (InputError, *UNREADABLE):
        pass  # no repository, or a file that a merge has left unreadable
    return {}


def differences(before: Result, after: Result) -> list[str]:
    """In words, such as "train.epochs 3 -> 2"; empty if only the outcome differs."""
    params = changed_params(flat(before.params), flat(after.params)).items()
    found = [f"{name} {then or 'unset'} -> {now or 'unset'}" for name, (then, now) in params]
    given = [
        {path for path in before.sources.keys() | after.sources.keys() if path.startswith("data/") == of_data}
        for of_data in (True, False)
    ]
    for kind, paths in zip(("data", "code"), given, strict=True):
        changed = sorted(path for path in paths if before.sources.get(path) != after.sources.get(path))
        if changed:
            more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
            found.append(f"{kind}: {', '.join(changed[:NAMED])}{more}")
    return found
