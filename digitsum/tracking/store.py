"""Which MLflow store the runs are in."""

import logging
import os
from typing import Any

from digitsum.files import repository_root

EXPERIMENT = "digitsum"


def tracking_uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{repository_root() / 'mlflow.db'}"


def connect() -> Any:
    """An MlflowClient. MLflow is imported here, since that takes seconds."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # by default a dead server holds a call for minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow import MlflowClient

    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # else it tells how it makes its tables
    return MlflowClient(tracking_uri())


def experiment_id(client: Any) -> str:
    """The experiment of all runs, made at first use; its artifacts lie beside the embedded store."""
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(EXPERIMENT)
    if known is None:
        local = tracking_uri().startswith("sqlite:")
        location = (repository_root() / "mlartifacts").as_uri() if local else None
        try:
            return str(client.create_experiment(EXPERIMENT, artifact_location=location))
        except MlflowException:  # another process was quicker
            known = client.get_experiment_by_name(EXPERIMENT)
    return str(known.experiment_id)
