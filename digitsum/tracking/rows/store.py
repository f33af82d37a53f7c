"""Which MLflow store the runs are in."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from digitsum.errors import InputError
from digitsum.places import repository_root

EXPERIMENT = "digitsum"
NOTE = """Each run with the tag `digitsum.result` is **one result of the pipeline**: this data, these params, this code.
Its children are the stages; one that is called *restored* was skipped by DVC or taken from its cache, and its
description names the run that computed it. Runs of stages that stand alone are under way, failed, or part of no result.

Select results and press **Compare**. `python -m digitsum sync` adds what is missing."""
SWITCH = "DIGITSUM_TRACKING"  # "off" records nothing
SECONDS_PER_CALL = 10  # before a server that says nothing counts as gone


def switched_off() -> bool:
    """
    Raises:
        InputError: if the switch stands on nothing known.
    """
    word = os.environ.get(SWITCH, "on").lower()
    if word not in ("on", "off"):
        raise InputError(f"{SWITCH}={word}: on or off")
    return word == "off"


def tracking_uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{repository_root() / 'mlflow.db'}"


def shown(uri: str) -> str:
    """Without a password."""
    return re.sub(r"://([^/@:]*):[^/@]*@", r"://\1:***@", uri)


def connect(uri: str) -> Any:
    """An MlflowClient. MLflow is imported here, since that takes seconds.

    It never tries again by itself, which could tell a server the same twice and holds a call for minutes.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(SECONDS_PER_CALL))
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    from mlflow import MlflowClient

    for name in (
        "db.utils",
        "model_registry.abstract_store",
    ):  # which tell how they make tables, and wait for a version
        logging.getLogger(f"mlflow.store.{name}").setLevel(logging.WARNING)
    return MlflowClient(uri)


@contextmanager
def opened() -> Iterator[tuple[Any, str]]:
    """A client of the store, and the experiment.

    Raises:
        InputError: if the store cannot be used, now or within the block.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        client = connect(tracking_uri())
        yield client, experiment_id(client)
    except (MlflowException, SQLAlchemyError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{shown(tracking_uri())}: the MLflow store cannot be used ({reason})") from error


def experiment_id(client: Any) -> str:
    """The experiment of all runs, made at first use; its artifacts lie beside the embedded store."""
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(EXPERIMENT)
    if known is None:
        file = embedded_store(client.tracking_uri)
        location = (file.parent / "mlartifacts").as_uri() if file else None
        try:
            made = client.create_experiment(EXPERIMENT, location, {"mlflow.note.content": NOTE})
        except MlflowException:  # another process was quicker
            known = client.get_experiment_by_name(EXPERIMENT)
        else:
            return str(made)
    if known.lifecycle_stage == "deleted":
        client.restore_experiment(known.experiment_id)
    return str(known.experiment_id)


def embedded_store(uri: str) -> Path | None:
    """The database file behind a URI, if it is one on this machine."""
    return Path(uri.removeprefix("sqlite:///")).resolve() if uri.startswith("sqlite:///") else None


def search(client: Any, experiment: str, tags: dict[str, str], deleted: bool = False) -> list[Any]:
    """All runs with these tags (`__` in a name is a dot), oldest first; or those that a person deleted."""
    words = [f"tags.`{name.replace('__', '.')}` = '{value}'" for name, value in tags.items()]
    return query(client, experiment, " and ".join(words), deleted)


def query(client: Any, experiment: str, words: str, deleted: bool = False) -> list[Any]:
    """All runs that MLflow's filter lets through, oldest first."""
    from mlflow.entities import ViewType

    view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    runs: list[Any] = []
    token: str | None = None
    while True:
        page = client.search_runs([experiment], words, view, order_by=["attributes.start_time ASC"], page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs
