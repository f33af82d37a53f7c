"""Models of results in MLflow's own form, which its servers and loaders understand. Nothing is pickled."""

import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from digitsum.errors import InputError, one_line
from digitsum.tracking.results.cache import find
from digitsum.tracking.results.dvc_files import flat
from digitsum.tracking.results.result import Occurrence
from digitsum.tracking.rows.settings import without_password
from digitsum.tracking.rows.store import MISSING, Store
from digitsum.tracking.rows.tags import NOTE

Column = tuple[str, str, tuple[int, ...]]  # name, NumPy's name of the type, shape with -1 for any number
CHECKSUM = "digitsum.md5"  # the tag of a logged model
CARD = "README.md"  # among the files of a logged model


@dataclass(frozen=True)
class ModelForm:
    """How MLflow serves a model: who loads the file, what goes in, and what comes out."""

    path: str  # among the outs of the pipeline
    loader: str  # a module with MLflow's _load_pyfunc
    code: Path  # the package that has the module
    needs: tuple[str, ...]  # distributions to install
    schema: Callable[[Path], tuple[list[Column], list[Column]]]  # inputs and outputs of the model in a file
    params: tuple[str, ...]  # the sections that the model depends on
    title: Callable[[Path, Mapping[str, float]], str]  # the model in a line, from its file and metrics
    card: Callable[[Path, Mapping[str, float], str], str]  # in Markdown, from its file, metrics and id


def log_model(store: Store, row: str, form: ModelForm, result: Occurrence) -> str | None:
    """The id of the logged model with the checksum of the result's model, which is logged first if it is missing.

    None if the file is neither in the working tree nor in DVC's cache.
    """
    md5 = result.outs[form.path]
    known = store.client.search_logged_models([store.experiment], f"tags.`{CHECKSUM}` = '{md5}'")
    ready = [model for model in known if str(model.status) == "READY"]
    if ready:
        model = ready[0]
    elif file := find(form.path, md5):
        name = f"{result.params.get('model', {}).get('head', 'model')}-{md5[:8]}"
        tags = {CHECKSUM: md5, NOTE: form.title(file, result.metrics)}
        params = flat({section: result.params[section] for section in form.params if section in result.params})
        model = store.client.create_logged_model(store.experiment, name, row, tags, params)
        with tempfile.TemporaryDirectory() as folder:
            _save(Path(folder) / "model", file, form, model.model_id)
            card = form.card(file, result.metrics, model.model_id)
            (Path(folder) / "model" / CARD).write_text(card, encoding="utf-8")
            store.client.log_model_artifacts(model.model_id, f"{folder}/model")
        store.client.finalize_logged_model(model.model_id, "READY")
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
        warnings.filterwarnings("ignore", message=".*input example")  # with one, MLflow would load and call the model
        mlflow.pyfunc.save_model(
            str(folder),
            loader_module=form.loader,
            data_path=str(file),
            code_paths=[str(form.code)],
            mlflow_model=Model(model_id=model_id),
            signature=ModelSignature(inputs, outputs),
            pip_requirements=[f"{name}=={version(name)}" for name in form.needs],
        )


def checksum_of_model(store: Store, model: str) -> str | None:
    """The checksum of the file that a logged model was made of; None if there is no such model."""
    from mlflow.exceptions import MlflowException

    try:
        tags: dict[str, str] = store.client.get_logged_model(model).tags
        return tags.get(CHECKSUM)
    except MlflowException as error:
        if error.error_code in MISSING:
            return None
        raise


def fetch(store: Store, model: str, path: str) -> Path:
    """The file that a logged model was made of: where it lies, or a copy if the store is elsewhere.

    Args:
        model: an id.
        path: of the file among the outs of the pipeline.

    Raises:
        InputError: if the store does not have it.
    """
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    try:
        location = store.client.get_logged_model(model).artifact_location
        file = f"{location.rstrip('/')}/data/{Path(path).name}"
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=file, tracking_uri=store.uri))
    except (MlflowException, OSError) as error:
        reason = without_password(one_line(error))
        raise InputError(f"models:/{model}: MLflow cannot bring its file ({reason})") from error
