"""An MLflow store behind one typed object. No other room knows MLflow's client, experiment ids or filters."""

import json
import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from digitsum.errors import InputError, one_line
from digitsum.tracking.results.data import Data
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.settings import PORT, embedded_store, tracking_uri, without_password
from digitsum.tracking.rows.tags import PARENT, RECIPE_ROW, RESULT

EXPERIMENT = "digitsum"
NOTE = """Each run with the tag `digitsum.result` is **one result of the pipeline**: this data, these params, this code.
Its children are the stages. DVC skipped a stage called *restored*, or took its outputs from the cache, and the child's
description names the run that computed it. Runs of stages without a parent are under way, failed, or part of no result.

A run called *recipe* has the mean of every metric over the results of several seeds, which are its children. The
children of a run called *sweep* are its trials.

Select results and press **Compare**. `python -m digitsum sync` adds missing results."""
SECONDS_PER_CALL = 10  # after which a silent server counts as gone
METRICS_IN_A_CALL = 500  # at most half of MLflow's limit, which counts params and tags as well
PARAMS_IN_A_CALL = 100  # mlflow.utils.validation.MAX_PARAMS_TAGS_PER_BATCH
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # MLflow's codes for unknown and for malformed ids


class StoreError(InputError):
    """The store does not answer, or cannot be used."""


class Metric(NamedTuple):
    name: str
    value: float
    time: int  # milliseconds since the epoch
    step: int


class Store:
    """The runs of this project's experiment in one MLflow store.

    Methods raise what MLflow, SQLAlchemy and the network raise; `opened` turns that into one line.
    """

    def __init__(self, client: Any, experiment: str | None = None):
        """`client` is an MlflowClient, and `experiment` an id; None is the project's, made at first use."""
        self.client = client  # for this room alone
        self.experiment = experiment or _experiment_id(client)

    @classmethod
    def at(cls, uri: str) -> "Store":
        return cls(_connect(uri))

    @property
    def uri(self) -> str:
        return str(self.client.tracking_uri)

    @property
    def born(self) -> int:
        """When the experiment was made: a store that was deleted and made again has the same ids."""
        return int(self.client.get_experiment(self.experiment).creation_time)

    @property
    def identity(self) -> str:
        """The same for the same store with the same experiment."""
        return f"{self.uri} {self.experiment} {self.born}"

    @property
    def address(self) -> str:
        """Where browsers find the server, without a password; for an embedded store, where `make ui` serves it."""
        if self.uri.startswith(("http://", "https://")):
            parts = urlsplit(self.uri)
            return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
        return f"http://127.0.0.1:{PORT}"

    def page(self, run: str = "") -> str:
        """Where MLflow's pages show a run, or all runs, behind the address of the server."""
        return self._page(f"experiments/{self.experiment}/runs" + (f"/{run}" if run else ""))

    def charts_page(self) -> str:
        """The same for the charts that lay the curves of all rows over each other."""
        return self._page(f"experiments/{self.experiment}/runs", compareRunsMode="CHART")

    def comparison_page(self, runs: list[str]) -> str:
        """The same for a comparison of runs."""
        return self._page("compare-runs", runs=json.dumps(runs), experiments=json.dumps([self.experiment]))

    @staticmethod
    def _page(route: str, **query: str) -> str:
        """Without the type of the workflow, MLflow opens its pages for generative AI, which show no rows."""
        return f"#/{route}?{urlencode({**query, 'workflowType': 'machine_learning'}, quote_via=quote)}"

    # what the store has

    def runs(self, tags: Mapping[str, str], deleted: bool = False) -> list[Run]:
        """All runs with these tags, oldest first; or those that a user deleted."""
        words = [f"tags.`{name}` = {quoted}" for name, value in tags.items() if (quoted := _quoted(value))]
        return self._search(" and ".join(words), deleted) if len(words) == len(tags) else []

    def run(self, run: str) -> Run | None:
        from mlflow.exceptions import MlflowException

        try:
            return Run.read(self.client.get_run(run))
        except MlflowException as error:
            if error.error_code in MISSING:
                return None
            raise

    def runs_from(self, beginning: str) -> list[Run]:
        """Runs whose ids begin so; `beginning` is hexadecimal."""
        return self._search(f"attributes.run_id LIKE '{beginning}%'")

    def rows_with(self, checksum: str) -> list[Run]:
        """Rows of results with data or a model whose checksum begins so, oldest first; `checksum` is hexadecimal."""
        return self._search(f"tags.`digitsum.checksums` LIKE '%\"{checksum}%'")

    def newest(self, count: int) -> list[Run]:
        """The newest rows, newest first."""
        order = ["attributes.start_time DESC"]
        found = self.client.search_runs([self.experiment], f"tags.`{RESULT}` != ''", 1, count, order)
        return [Run.read(run) for run in found]

    def recipes(self) -> list[Run]:
        """The rows of recipes, oldest first."""
        return self._search(f"tags.`{RECIPE_ROW}` != ''")

    def row_of(self, run: Run) -> Run | None:
        """The row itself, the row that the run of a stage belongs to, or the first result of a recipe."""
        if RESULT in run.tags:
            return run
        if RECIPE_ROW in run.tags:
            return next((child for child in self.runs({PARENT: run.id}) if RESULT in child.tags), None)
        return self.run(run.tags[PARENT]) if PARENT in run.tags else None

    def history(self, run: str, metric: str) -> list[Metric]:
        """All values of a metric."""
        found = self.client.get_metric_history(run, metric)
        return [Metric(each.key, each.value, each.timestamp, each.step) for each in found]

    def _search(self, words: str, deleted: bool = False) -> list[Run]:
        from mlflow.entities import ViewType

        view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
        order = ["attributes.start_time ASC"]
        runs: list[Run] = []
        token: str | None = None
        while True:
            page = self.client.search_runs([self.experiment], words, view, order_by=order, page_token=token)
            runs += [Run.read(run) for run in page]
            token = page.token
            if not token:
                return runs

    # what is written; a store leaves out a metric, param or tag that it already has

    def begin(self, name: str, tags: Mapping[str, str], time: int) -> str:
        """The id of a new run, which began at a time in milliseconds since the epoch."""
        return str(self.client.create_run(self.experiment, time, dict(tags), run_name=name).info.run_id)

    def end(self, run: str, status: str, time: int) -> None:
        self.client.set_terminated(run, status, time)

    def rename(self, run: str, name: str) -> None:
        self.client.update_run(run, name=name)

    def delete(self, run: str) -> None:
        self.client.delete_run(run)

    def log(self, run: str, metrics: list[Metric], tags: Mapping[str, str]) -> None:
        """Metrics and tags."""
        from mlflow.entities import Metric as Entity
        from mlflow.entities import RunTag

        entities = [Entity(metric.name, metric.value, metric.time, metric.step) for metric in metrics]
        for first in range(0, len(entities), METRICS_IN_A_CALL):
            self.client.log_batch(run, metrics=entities[first : first + METRICS_IN_A_CALL])
        if tags:
            self.client.log_batch(run, tags=[RunTag(*pair) for pair in tags.items()])

    def set_tag(self, run: str, name: str, value: str) -> None:
        self.client.set_tag(run, name, value)

    def log_params(self, run: str, values: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        params = [Param(name, value) for name, value in values.items()]
        for first in range(0, len(params), PARAMS_IN_A_CALL):
            self.client.log_batch(run, params=params[first : first + PARAMS_IN_A_CALL])

    def log_data(self, run: str, data: list[Data]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = []
        for one in data:
            source = json.dumps({"uri": one.path})
            dataset = Dataset(one.path, one.checksum, "local", source, one.schema, one.profile)
            inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", one.context)]))
        self.client.log_inputs(run, inputs)

    def log_text(self, run: str, text: str, name: str) -> None:
        self.client.log_text(run, text, name)

    def log_file(self, run: str, path: Path) -> None:
        """A file, or a folder of files under its own name."""
        if path.is_dir():
            self.client.log_artifacts(run, str(path), path.name)
        else:
            self.client.log_artifact(run, str(path))

    # artifacts

    def artifacts(self, run: str) -> set[str]:
        """The names of a run's files and folders."""
        return {item.path for item in self.client.list_artifacts(run)}

    def download(self, run: str, name: str, folder: Path) -> Path:
        """A file of a run: where it lies, or a copy in `folder`.

        Raises:
            InputError: if the run has no such file.
        """
        from mlflow.exceptions import MlflowException

        try:
            return Path(self.client.download_artifacts(run, name, str(folder)))
        except (MlflowException, OSError) as error:
            raise InputError(
                f"run {run}: MLflow cannot bring its {name} ({without_password(one_line(error))}); "
                "bring the run's artifacts back to where they were"
            ) from error


def is_refusal(error: Exception) -> bool:
    """Whether MLflow refuses what it was given, and would refuse it again."""
    return getattr(error, "error_code", None) in (*MISSING, "BAD_REQUEST")


def is_there() -> bool:
    """Whether the store exists; a server is taken to."""
    file = embedded_store(tracking_uri())
    return file is None or file.exists()


@contextmanager
def opened(new: bool = False) -> Iterator[Store]:
    """The store that the environment names.

    Args:
        new: whether to make it if it is an embedded one that does not exist yet.

    Raises:
        StoreError: if the store cannot be used, now or within the block.
        InputError: if it refuses something.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    if not new and not is_there():
        raise InputError(
            f"{embedded_store(tracking_uri())}: no MLflow store yet; dvc repro makes a result, and python -m digitsum "
            "sync records it"
        )
    try:
        yield Store.at(tracking_uri())
    except (MlflowException, SQLAlchemyError) as error:
        if is_refusal(error):
            raise InputError(f"MLflow: {without_password(one_line(error))}; restore what is gone there") from error
        reason = without_password(one_line(error))
        raise StoreError(f"{without_password(tracking_uri())}: the MLflow store cannot be used ({reason})") from error


def _connect(uri: str) -> Any:
    """An MlflowClient. MLflow is imported here, since that takes seconds.

    The client never repeats a call by itself, which could write twice and would block for minutes.
    """
    if (file := embedded_store(uri)) and not os.access(file if file.exists() else file.parent, os.W_OK):
        raise InputError(f"{file}: cannot be written, so nothing is recorded; MLFLOW_TRACKING_URI names another store")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(SECONDS_PER_CALL))
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    from mlflow import MlflowClient

    for name in ("db.utils", "model_registry.abstract_store"):  # they log new tables, and the wait for a version
        logging.getLogger(f"mlflow.store.{name}").setLevel(logging.WARNING)
    return MlflowClient(uri)


def _experiment_id(client: Any) -> str:
    """The experiment of all runs, made at first use. An embedded store has its artifacts in a folder beside it."""
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(EXPERIMENT)
    file = embedded_store(client.tracking_uri)
    location = (file.parent / "mlartifacts").as_uri() if file else None
    stray = Path(client.tracking_uri.removeprefix("sqlite:///")).parent
    if file and stray.resolve() != file.parent:  # MLflow makes a folder with the name as it stands in the address
        with suppress(OSError):
            stray.rmdir()
    if known is None:
        try:
            return str(client.create_experiment(EXPERIMENT, location, {"mlflow.note.content": NOTE}))
        except MlflowException:  # another process made it first
            known = client.get_experiment_by_name(EXPERIMENT)
    if file and location:
        _follow(file, known, location)
    if known.lifecycle_stage == "deleted":
        client.restore_experiment(known.experiment_id)
    return str(known.experiment_id)


def _follow(file: Path, experiment: Any, here: str) -> None:
    """Let an embedded store that was moved or copied with its project use the artifacts beside it.

    MLflow keeps absolute addresses, so without this a copy would write into the folder of the original.
    """
    there = experiment.artifact_location
    if there == here or not (there.startswith("file:") and there.endswith("/mlartifacts")):
        return
    with closing(sqlite3.connect(file)) as database, database:
        words = "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?"
        database.execute(words, (here, int(experiment.experiment_id)))
        if (file.parent / "mlartifacts").is_dir():  # the files came along
            for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
                words = f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?"  # noqa: S608 (constants)
                database.execute(words, (f"{here}/", len(there) + 2, len(there) + 1, f"{there}/"))


def _quoted(value: str) -> str | None:
    """A text in the language of filters; None for a text with both kinds of quotes, which it cannot express."""
    quote = "'" if "'" not in value else '"'
    return f"{quote}{value}{quote}" if quote not in value else None
