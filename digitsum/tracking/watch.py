"""Send the outbox while stages run. Stages start this as a process of its own."""

import os
import time
from contextlib import ExitStack, suppress
from threading import Thread

from digitsum.errors import InputError
from digitsum.locks import alone
from digitsum.tracking.recording.outbox import Parcel, Process, parcels
from digitsum.tracking.recording.sender import Sender
from digitsum.tracking.results.occurrences import remember
from digitsum.tracking.rows.contents import Contents
from digitsum.tracking.rows.settings import tracking_uri
from digitsum.tracking.sync import SENDING, sync
from digitsum.tracking.unchanged import WATCHING

SECONDS_BETWEEN_LOOKS = 0.3
SECONDS_AFTER_FAILURE = 15.0
SECONDS_OF_TRYING = 300.0  # what a store does not take by then, the next stage or sync sends


def watch(contents: Contents | None = None) -> None:
    """Send what stages record until they and their dvc have ended, then add rows for their results.

    At most two watchers run: one sends, and one waits to catch what comes after the first has looked for the last time.
    """
    os.nice(10)
    with ExitStack() as held, suppress(InputError):  # nobody reads it here; the next sync reports it
        with alone("next-watcher", wait=False) as next_in_line:
            if not next_in_line:
                return
            held.enter_context(alone(WATCHING))
        drivers: set[Process] = set()
        Thread(target=_remember_results, args=(tracking_uri(),), daemon=True).start()
        sender, again, until = Sender(), 0.0, time.monotonic() + SECONDS_OF_TRYING
        while (waiting := _readable()) or drivers:
            drivers = {above for above in drivers | _drivers(waiting) if above.alive}
            if waiting and time.monotonic() > again:
                with alone(SENDING):
                    faults = sender.send_all(_readable())
                if faults:
                    sender, again = Sender(), time.monotonic() + SECONDS_AFTER_FAILURE
                else:
                    until = time.monotonic() + SECONDS_OF_TRYING
            if time.monotonic() > until and not drivers:
                break
            time.sleep(SECONDS_BETWEEN_LOOKS)
        sync(contents)


def _readable() -> list[Parcel]:
    return [parcel for parcel in parcels() if parcel.store]


def _drivers(waiting: list[Parcel]) -> set[Process]:
    return {above for parcel in waiting if (above := parcel.driver)}


def _remember_results(store: str) -> None:
    """Keep the result of each dvc as it ends, since the next one overwrites dvc.lock.

    In a thread of its own, since the other one may wait for a server.
    """
    drivers: set[Process] = set()
    done: set[Process] = set()
    while True:
        drivers |= _drivers(parcels())
        if ended := {above for above in drivers - done if not above.alive}:
            with suppress(InputError, OSError):  # nobody reads it here; the next sync reports it
                remember(store)
            done |= ended
        time.sleep(SECONDS_BETWEEN_LOOKS)
