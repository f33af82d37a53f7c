"""Tells MLflow what is in the outbox. It may be cut off anywhere and begin again: nothing is told twice."""

import json
from collections.abc import Mapping
from typing import Any

from digitsum.tracking.recording.outbox import Parcel
from digitsum.tracking.rows.store import connect, experiment_id, search

BATCH = 50  # events told between two notes of how far it is
PARAMS_IN_A_CALL = 100  # as many as a server takes


class Sender:
    """One connection to each store that runs go to."""

    def __init__(self) -> None:
        self._stores: dict[str, tuple[Any, str]] = {}

    def store(self, uri: str) -> tuple[Any, str]:
        """Its client, and the experiment."""
        if uri not in self._stores:
            client = connect(uri)
            self._stores[uri] = client, experiment_id(client)
        return self._stores[uri]

    def send(self, parcel: Parcel) -> None:
        """Whatever the store does not have yet.

        Raises:
            Exception: of MLflow, SQLAlchemy or the network.
        """
        events, sent = parcel.events(), parcel.sent
        if len(events) > sent:
            client, experiment = self.store(events[0]["store"])
            run = _run(client, experiment, parcel.folder.name, events[0])
            for first in range(sent, len(events), BATCH):
                part = events[first : first + BATCH]
                _tell(client, run, parcel, part)
                parcel.mark_sent(first + len(part))
        if events and events[-1]["kind"] == "end":
            parcel.remove()


def _run(client: Any, experiment: str, parcel: str, start: Mapping[str, Any]) -> str:
    """The run of a parcel, found by its name or made."""
    if found := search(client, experiment, {"digitsum__parcel": parcel}):
        return str(found[0].info.run_id)
    tags = {**start["tags"], "digitsum.parcel": parcel}
    return str(client.create_run(experiment, start["time"], tags, run_name=start["name"]).info.run_id)


def _tell(client: Any, run: str, parcel: Parcel, events: list[dict[str, Any]]) -> None:
    """A store leaves out what it has: a metric of the same step, time and value, a param or tag of the same value."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, RunTag

    def values(kind: str) -> list[tuple[dict[str, Any], str, Any]]:
        return [(event, *pair) for event in events if event["kind"] == kind for pair in event["values"].items()]

    metrics = [Metric(key, value, event["time"], event["step"]) for event, key, value in values("metrics")]
    tags = [RunTag(key, value) for _, key, value in values("tags")]
    if metrics or tags:
        client.log_batch(run, metrics=metrics, tags=tags)
    log_params(client, run, {key: value for _, key, value in values("params")})
    for event in events:
        if event["kind"] == "data":
            dataset = Dataset(event["path"], event["digest"], "local", json.dumps({"uri": event["path"]}))
            client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", event["context"])])])
        elif event["kind"] == "file":
            file = parcel.folder / "files" / event["name"]
            if file.is_dir():
                client.log_artifacts(run, str(file), event["name"])
            else:
                client.log_artifact(run, str(file))
        elif event["kind"] == "end":
            client.set_terminated(run, event["status"], event["time"])


def log_params(client: Any, run: str, values: Mapping[str, str]) -> None:
    from mlflow.entities import Param

    params = [Param(key, value) for key, value in values.items()]
    for first in range(0, len(params), PARAMS_IN_A_CALL):
        client.log_batch(run, params=params[first : first + PARAMS_IN_A_CALL])
