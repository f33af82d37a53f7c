"""Send the outbox to MLflow. A sender may be cut off anywhere and start again: MLflow gets everything once."""

from collections.abc import Mapping
from typing import Any

from digitsum.errors import one_line
from digitsum.tracking.recording.outbox import Parcel, clear_removed
from digitsum.tracking.results.data import Data
from digitsum.tracking.rows.store import Metric, Store, is_refusal

BATCH = 50  # events sent between two notes of how many were
PARCEL = "digitsum.parcel"


class Sender:
    """One connection to each store that runs go to."""

    def __init__(self, *stores: Store) -> None:
        """With the stores that are open already."""
        self._stores = {store.uri: store for store in stores}

    def store(self, uri: str) -> Store:
        if uri not in self._stores:
            self._stores[uri] = Store.at(uri)
        return self._stores[uri]

    def send(self, parcel: Parcel) -> None:
        """Send what the store does not have yet, and remove the parcel once its run has ended.

        Raises:
            Exception: of MLflow, SQLAlchemy or the network.
        """
        events, sent = parcel.events(), parcel.sent
        if len(events) > sent:
            store = self.store(events[0]["store"])
            run = _run(store, parcel.folder.name, events[0])
            for first in range(sent, len(events), BATCH):
                part = events[first : first + BATCH]
                _send(store, run, parcel, part)
                parcel.mark_sent(first + len(part))
        if events and events[-1]["kind"] == "end":
            parcel.remove()

    def send_all(self, waiting: list[Parcel]) -> dict[str, Exception]:
        """Send parcels, and return what went wrong by store. A store that fails gets no further parcels.

        A parcel that no store would take is set aside. What is left of other parcels is removed.
        """
        faults: dict[str, Exception] = {}
        clear_removed()
        for parcel in waiting:
            if (store := parcel.store) is None:
                parcel.remove_if_unbegun()
            elif store not in faults:
                try:
                    self.send(parcel)
                except Exception as error:  # MLflow, SQLAlchemy, S3 and the network have no common error
                    if _is_of_the_parcel(error, parcel):
                        parcel.set_aside(one_line(error))
                    else:
                        faults[store] = error
        return faults


def _is_of_the_parcel(error: Exception, parcel: Parcel) -> bool:
    """Whether an error is the fault of what was sent, and no later try would do better."""
    if isinstance(error, OSError):
        return str(parcel.folder) in str(error.filename)
    return is_refusal(error) or isinstance(error, (ValueError, TypeError, KeyError, OverflowError))


def _run(store: Store, parcel: str, start: Mapping[str, Any]) -> str:
    """The run of a parcel: the one with its name, or else a new one."""
    if found := store.runs({PARCEL: parcel}):
        return found[0].id
    return store.begin(start["name"], start["tags"] | {PARCEL: parcel}, start["time"])


def _send(store: Store, run: str, parcel: Parcel, events: list[dict[str, Any]]) -> None:
    def values(kind: str) -> list[tuple[dict[str, Any], str, Any]]:
        return [(event, *pair) for event in events if event["kind"] == kind for pair in event["values"].items()]

    metrics = [Metric(name, value, event["time"], event["step"]) for event, name, value in values("metrics")]
    store.log(run, metrics, {name: value for _, name, value in values("tags")})
    store.log_params(run, {name: value for _, name, value in values("params")})
    for event in events:
        if event["kind"] == "data":
            data = Data(event["path"], event["digest"], event["context"], event.get("schema"), event.get("profile"))
            store.log_data(run, [data])
        elif event["kind"] == "file":
            store.log_file(run, parcel.folder / "files" / event["name"])
        elif event["kind"] == "end":
            store.end(run, event["status"], event["time"])
