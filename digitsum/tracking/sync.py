"""Brings MLflow up to what happened: what stages left in the outbox, then one row for each result."""

import os
import subprocess
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

from digitsum.errors import InputError
from digitsum.files import write_json
from digitsum.formats import read_json
from digitsum.places import STATE, repository_root
from digitsum.progress import Progress
from digitsum.tracking.recording.outbox import Parcel, Process, alone, parcels
from digitsum.tracking.recording.sender import Sender
from digitsum.tracking.results.result import Result, experiments, history, in_commit, in_workspace, remember, remembered
from digitsum.tracking.rows.models import ModelForm
from digitsum.tracking.rows.rows import Rows
from digitsum.tracking.rows.store import SWITCH, shown, tracking_uri

DONE = STATE / "synced.json"  # commits whose results have rows, by store; commits never change
SECONDS_BETWEEN_LOOKS = 0.3
SECONDS_AFTER_FAILURE = 15.0
SECONDS_OF_TRYING = 300.0  # what a store does not take by then, the next stage or sync sends


@dataclass
class Report:
    """What a sync came to."""

    added: list[str] = field(default_factory=list)  # occasions of new results
    known: int = 0  # and how many were of results that had a row
    row: Any | None = None  # of the result that dvc.lock holds
    deleted: bool = False  # which a person did away with
    waiting: dict[str, str] = field(default_factory=dict)  # other stores that runs wait for, and why


def sync(form: ModelForm | None = None, past: bool = False) -> Report:
    """Sends the outbox and adds rows; with `past`, those of git's history as well. Called again, it adds nothing.

    Raises:
        InputError: if the store cannot be used; what could not be sent is kept.
    """
    uri = tracking_uri()
    with alone("sending"):
        sender = Sender()
        faults = _send(sender, parcels())
        try:
            if uri in faults:
                raise faults[uri]
            client, experiment = sender.store(uri)
            report = _add_rows(Rows(client, experiment, form), uri, past)
        except InputError:
            raise
        except subprocess.CalledProcessError as error:
            raise InputError(f"git: refuses ({_reason(error)} {error.stderr})") from error
        except Exception as error:  # as below
            raise InputError(
                f"{shown(uri)}: the MLflow store cannot be used ({_reason(error)}); {len(parcels())} runs wait in "
                f".digitsum/outbox for python -m digitsum sync. MLFLOW_TRACKING_URI names another store, "
                f"{SWITCH}=off uses none"
            ) from error
    report.waiting = {store: _reason(error) for store, error in faults.items()}
    return report


def _send(sender: Sender, waiting: list[Parcel]) -> dict[str, Exception]:
    """What went wrong, by store; a store that fails is not asked again."""
    faults: dict[str, Exception] = {}
    for parcel in waiting:
        if (store := parcel.store) and store not in faults:
            try:
                sender.send(parcel)
            except Exception as error:  # of MLflow, SQLAlchemy, S3 or the network: there is no common kind
                faults[store] = error
    return faults


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _add_rows(rows: Rows, uri: str, past: bool) -> Report:
    report = Report()

    def add(result: Result | None) -> None:
        if result is None:
            return
        if rows.add(result):
            report.added.append(result.occasion)
        else:
            report.known += 1

    path = repository_root() / DONE
    done: dict[str, list[str]] = read_json(path) if path.exists() else {}
    store = f"{uri} {rows.experiment} {rows.born}"
    mine = set(done.get(store, []))
    commits = [*experiments(), *((commit, None) for commit in (history() if past else []))]
    missing = [(commit, name) for commit, name in commits if commit not in mine]
    with Progress("sync", len(missing), "commits") as progress:
        for commit, name in missing:
            add(in_commit(commit, name))
            mine.add(commit)
            progress.advance(1)
    if missing:
        write_json(path, done | {store: sorted(mine)})
    for file, result in remembered(uri):
        add(result)
        file.unlink(missing_ok=True)
    here = in_workspace()
    add(here)
    if here is not None:
        there, gone = rows.find(digitsum__result=here.key), rows.deleted(here)
        report.row = next(iter([*there, *gone]), None)
        report.deleted = not there
    return report


def watch(form: ModelForm | None = None) -> None:
    """Sends while stages run, and gives their results rows; ends when there is nothing more to tell.

    One works and one more waits for what the first may have looked at too early; a third has nothing to do.
    """
    os.nice(10)
    with ExitStack() as held, suppress(InputError):  # sync says what it was
        with alone("waiting", wait=False) as next_in_line:
            if not next_in_line:
                return
            held.enter_context(alone("watching"))
        drivers: set[Process] = set()
        Thread(target=_remember_results, args=(tracking_uri(),), daemon=True).start()
        sender, again, until = Sender(), 0.0, time.monotonic() + SECONDS_OF_TRYING
        while (waiting := _readable()) or drivers:
            drivers = {above for above in drivers | _drivers(waiting) if above.alive}
            if waiting and time.monotonic() > again:
                with alone("sending"):
                    faults = _send(sender, _readable())
                if faults:
                    sender, again = Sender(), time.monotonic() + SECONDS_AFTER_FAILURE
                else:
                    until = time.monotonic() + SECONDS_OF_TRYING
            if time.monotonic() > until and not drivers:
                break
            time.sleep(SECONDS_BETWEEN_LOOKS)
        sync(form)


def _readable() -> list[Parcel]:
    return [parcel for parcel in parcels() if parcel.store]


def _drivers(waiting: list[Parcel]) -> set[Process]:
    return {above for parcel in waiting if (above := parcel.driver)}


def _remember_results(store: str) -> None:
    """As each dvc ends, for the next one overwrites dvc.lock; a server that does not answer must not be in the way."""
    drivers: set[Process] = set()
    done: set[Process] = set()
    while True:
        drivers |= _drivers(parcels())
        if ended := {above for above in drivers - done if not above.alive}:
            with suppress(InputError, OSError):  # sync says what it was
                remember(store)
            done |= ended
        time.sleep(SECONDS_BETWEEN_LOOKS)
