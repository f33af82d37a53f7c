"""One MLflow run for each run of a stage, or nothing at all: the stages can't tell which."""

import getpass
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import shorten
from typing import Any, Protocol

import yaml

from digitsum.errors import InputError
from digitsum.tracking.store import connect, experiment_id, tracking_uri

SWITCH = "DIGITSUM_TRACKING"  # "off" records nothing


class Tracker(Protocol):
    def params(self, section: str, values: Mapping[str, Any]) -> None: ...

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None: ...

    def tags(self, values: Mapping[str, str]) -> None: ...

    def data(self, path: Path, context: str) -> None:
        """A data set that the stage read, with the checksum that DVC has of it."""

    def file(self, path: Path) -> None:
        """A file or a folder of files that the stage wrote."""


class NullTracker:
    def params(self, section: str, values: Mapping[str, Any]) -> None:
        pass

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        pass

    def tags(self, values: Mapping[str, str]) -> None:
        pass

    def data(self, path: Path, context: str) -> None:
        pass

    def file(self, path: Path) -> None:
        pass


class MlflowTracker:
    """Writes to one run of an MLflow store."""

    def __init__(self, client: Any, run_id: str):
        self._client, self._run = client, run_id

    def params(self, section: str, values: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        flat = [Param(key, str(value)) for key, value in _flatten(section, values)]
        self._client.log_batch(self._run, params=flat)

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._run, metrics=[Metric(key, value, now, step) for key, value in values.items()])

    def tags(self, values: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(self._run, tags=[RunTag(key, value) for key, value in values.items()])

    def data(self, path: Path, context: str) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(name=str(path), digest=_digest(path), source_type="local", source=f'{{"uri": "{path}"}}')
        self._client.log_inputs(self._run, datasets=[DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])

    def file(self, path: Path) -> None:
        self._client.log_artifact(self._run, str(path))


@contextmanager
def tracked(stage: str, wanted: bool = True) -> Iterator[Tracker]:
    """The tracker of one run of a stage; the run ends FINISHED, FAILED or KILLED as the block does."""
    if not wanted or os.environ.get(SWITCH) == "off":
        yield NullTracker()
        return
    client, run_id = _start(stage)
    status = "KILLED"
    try:
        yield MlflowTracker(client, run_id)
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        client.set_terminated(run_id, status)


def _start(stage: str) -> tuple[Any, str]:
    """
    Raises:
        InputError: if the store cannot be reached or written.
    """
    try:
        client = connect()
        run = client.create_run(experiment_id(client), run_name=stage, tags=_origin(stage))
    except Exception as error:  # of MLflow, SQLAlchemy or the network: there is no common kind
        reason = shorten(str(error), 160)
        raise InputError(
            f"{tracking_uri()}: the MLflow store cannot be used ({reason}); "
            f"set MLFLOW_TRACKING_URI to another, or {SWITCH}=off"
        ) from error
    return client, run.info.run_id


def _origin(stage: str) -> dict[str, str]:
    tags = {"mlflow.source.name": f"stages/{stage}.py", "mlflow.source.type": "LOCAL", "digitsum.stage": stage}
    with suppress(OSError, KeyError):  # a user without a name, as in some containers
        tags["mlflow.user"] = getpass.getuser()
    if commit := _git("rev-parse", "HEAD"):
        changed = _git("status", "--porcelain", "--", ".", ":!dvc.lock")  # dvc.lock changes as the pipeline runs
        tags |= {"mlflow.source.git.commit": commit, "digitsum.dirty": str(bool(changed)).lower()}
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags["digitsum.experiment"] = experiment
    return tags


def _git(*words: str) -> str:
    with suppress(OSError):  # no git
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False).stdout.strip()
    return ""


def _flatten(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(f"{prefix}.{key}", value)
        else:
            yield f"{prefix}.{key}", value


def _digest(path: Path) -> str:
    """The checksum in dvc.lock of the output `path`, at most 36 characters; "unknown" where DVC has none."""
    lock = Path("dvc.lock")
    if lock.exists():
        for stage in yaml.safe_load(lock.read_text())["stages"].values():
            for out in stage.get("outs", []):
                if out["path"] == str(path):
                    return str(out["md5"])
    return "unknown"
