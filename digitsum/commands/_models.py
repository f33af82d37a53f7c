"""How commands pass models to tracking, which knows nothing about them."""

from pathlib import Path
from typing import TYPE_CHECKING

from digitsum import places

if TYPE_CHECKING:
    from digitsum.tracking.rows.models import ModelForm


def model_form() -> "ModelForm":
    """How MLflow serves the pipeline's model."""
    import digitsum
    from digitsum.model import serving
    from digitsum.tracking.rows.models import ModelForm

    code = Path(digitsum.__file__).parent
    return ModelForm(str(places.MODEL), serving.__name__, code, serving.NEEDS, serving.schema)


def model_file(what: str) -> Path:
    """A model file, or the model of a result: from the workspace, DVC's cache or MLflow.

    Raises:
        InputError: if there is no such file or result, or the result has no model.
    """
    if Path(what).exists() or what.endswith(".safetensors"):
        return Path(what)
    from digitsum.tracking.find import find_row, model_of
    from digitsum.tracking.rows.store import opened

    with opened() as store:
        return model_of(store, find_row(store, what), str(places.MODEL))
