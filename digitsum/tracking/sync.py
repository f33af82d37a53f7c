"""Bring MLflow up to date: send what stages left in the outbox, then add one row for each result."""

import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from digitsum.errors import InputError, one_line
from digitsum.files import clear_leftovers, write_json
from digitsum.formats import read_json
from digitsum.locks import alone
from digitsum.places import STATE, repository_root
from digitsum.progress import Progress
from digitsum.tracking.recording.outbox import parcels, set_aside
from digitsum.tracking.recording.sender import Sender
from digitsum.tracking.results.dvc_files import experiments
from digitsum.tracking.results.occurrences import history, in_commit, in_workspace, remembered
from digitsum.tracking.results.result import Occurrence
from digitsum.tracking.rows.add import add
from digitsum.tracking.rows.contents import Contents
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.settings import SWITCH, tracking_uri, without_password
from digitsum.tracking.rows.store import Store, StoreError
from digitsum.tracking.rows.tags import RESULT, name_of

DONE = STATE / "synced.json"  # by store: commits whose results have rows, and keys of results whose rows were added
SENDING = "sending"  # the lock of the outbox


@dataclass
class Report:
    """What a sync did."""

    added: list[str] = field(default_factory=list)  # names of new rows
    row: Run | None = None  # of the result in dvc.lock
    deleted: bool = False  # whether a user deleted that row
    waiting: dict[str, str] = field(default_factory=dict)  # other stores that runs wait for, and why


def sync(contents: Contents | None = None, past: bool = False) -> Report:
    """Send the outbox and add rows; with `past`, also rows of results in git's history. A second call adds nothing.

    Raises:
        StoreError: if the store cannot be used; what could not be sent is kept.
    """
    uri = tracking_uri()
    with alone(SENDING):
        sender = Sender()
        try:
            results = Results.now(uri, past)  # first: the runs of all that are there are in the outbox, whole
            faults = sender.send_all(parcels())
            if uri in faults:
                raise faults[uri]
            report = _add_rows(sender.store(uri), contents, results)
        except InputError:
            raise
        except subprocess.CalledProcessError as error:
            raise InputError(f"git: fails ({one_line(error)} {error.stderr.strip()})") from error
        except Exception as error:  # MLflow, SQLAlchemy, S3 and the network have no common error
            raise StoreError(
                f"{without_password(uri)}: the MLflow store cannot be used ({_reason(error)}); {len(parcels())} runs "
                f"wait in .digitsum/outbox for python -m digitsum sync. MLFLOW_TRACKING_URI names another store, "
                f"{SWITCH}=off uses none"
            ) from error
    report.waiting = {store: _reason(error) for store, error in faults.items()}
    return report


def _done(path: Path) -> dict[str, list[str]]:
    """What DONE holds; nothing if it is missing or damaged, which costs time alone."""
    with suppress(InputError, AttributeError, TypeError):
        return {str(store): [str(one) for one in names] for store, names in read_json(path).items()}
    return {}


def _reason(error: Exception) -> str:
    return without_password(f"{type(error).__name__}: {one_line(error, 200)}")


@dataclass(frozen=True)
class Results:
    """All results that may lack a row, at one moment."""

    commits: list[tuple[str, str | None]]  # with the name of the experiment
    remembered: list[tuple[Path, Occurrence | None]]
    here: Occurrence | None

    @classmethod
    def now(cls, uri: str, past: bool) -> "Results":
        commits: list[tuple[str, str | None]] = [*experiments()]
        if past:
            commits += [(commit, None) for commit in history()]
        return cls(commits, list(remembered(uri)), in_workspace())


def _add_rows(store: Store, contents: Contents | None, results: Results) -> Report:
    report = Report()

    path, identity = repository_root() / DONE, store.identity
    clear_leftovers(path)
    done = _done(path)
    mine = set(done.get(identity, []))
    before = len(mine)

    def note(result: Occurrence | None) -> None:
        if result is not None:
            if add(store, result, contents, result.key in mine):
                report.added.append(name_of(result))
            mine.add(result.key)

    missing = [(commit, name) for commit, name in results.commits if commit not in mine]
    with Progress("sync", len(missing), "commits") as progress:
        for commit, name in missing:
            note(in_commit(commit, name))
            mine.add(commit)
            progress.advance(1)
    for file, result in results.remembered:
        if result is None:
            set_aside(file, "not a result that this version wrote")
        note(result)
        file.unlink(missing_ok=True)
    here = results.here
    note(here)
    if len(mine) > before:
        write_json(path, done | {identity: sorted(mine)})
    if here is not None:
        there = store.runs({RESULT: here.key})
        report.deleted = not there
        report.row = next(iter(there or store.runs({RESULT: here.key}, deleted=True)), None)
    return report
