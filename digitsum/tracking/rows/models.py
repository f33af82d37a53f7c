"""A model of a result in MLflow's own form, which its servers and loaders understand; nothing of it is pickled."""

import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from digitsum.errors import InputError
from digitsum.tracking.results.cache import find
from digitsum.tracking.results.result import Result

Column = tuple[str, str, tuple[int, ...]]  # name, NumPy's name of the type, shape with -1 for any number


@dataclass(frozen=True)
class ModelForm:
    """How a model is served: who loads the file, what goes in and what comes out."""

    path: str  # among the outs of the pipeline
    loader: str  # a module with MLflow's _load_pyfunc
    code: Path  # the package that it is in
    needs: tuple[str, ...]  # distributions to install
    schema: Callable[[Path], tuple[list[Column], list[Column]]]  # inputs and outputs of the model in a file


def log_model(client: Any, experiment: str, row: str, form: ModelForm, result: Result) -> str | None:
    """The id of the logged model with the checksum of the result's, which is logged first where it is not there.

    None if the file is neither in the working tree nor in DVC's cache.
    """
    md5 = result.outs[form.path]
    known = client.search_logged_models([experiment], f"tags.`digitsum.md5` = '{md5}'")
    ready = [model for model in known if str(model.status) == "READY"]
    if ready:
        model = ready[0]
    elif file := find(form.path, md5):
        model = client.create_logged_model(
            experiment, f"{result.params.get('model', {}).get('head', 'model')}-{md5[:8]}", row, {"digitsum.md5": md5}
        )
        with tempfile.TemporaryDirectory() as folder:
            _save(Path(folder) / "model", file, form, model.model_id)
            client.log_model_artifacts(model.model_id, f"{folder}/model")
        client.finalize_logged_model(model.model_id, "READY")
    else:
        return None
    return str(model.model_id)


def _save(folder: Path, file: Path, form: ModelForm, model_id: str) -> None:
    import mlflow.pyfunc
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    inputs, outputs = (
        Schema([TensorSpec(np.dtype(kind), shape, name or None) for name, kind, shape in columns])
        for columns in form.schema(file)
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*input example")  # it would load the model to call it
        mlflow.pyfunc.save_model(
            str(folder),
            loader_module=form.loader,
            data_path=str(file),
            code_paths=[str(form.code)],
            mlflow_model=Model(model_id=model_id),
            signature=ModelSignature(inputs, outputs),
            pip_requirements=[f"{name}=={version(name)}" for name in form.needs],
        )


def fetch(client: Any, models: list[str], path: str, what: str) -> Path:
    """The file that a logged model was made of: where it lies, or a copy of it where the store is elsewhere.

    Args:
        models: ids of those that `what` has.
        path: of the file among the outs of the pipeline.

    Raises:
        InputError: if there is none.
    """
    import mlflow.artifacts

    if not models:
        raise InputError(f"{what}: has no model in MLflow; dvc repro train, then python -m digitsum sync")
    location = client.get_logged_model(models[0]).artifact_location
    file = f"{location.rstrip('/')}/data/{Path(path).name}"
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=file, tracking_uri=client.tracking_uri))
