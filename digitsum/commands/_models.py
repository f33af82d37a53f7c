"""How commands introduce models to tracking, which knows nothing about them."""

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
    """The file itself, or that of a result in MLflow.

    Raises:
        InputError: if there is no such result, or it has no model.
    """
    if Path(what).exists() or what.endswith(".safetensors"):
        return Path(what)
    from digitsum.tracking.rows.models import fetch
    from digitsum.tracking.rows.rows import Rows
    from digitsum.tracking.rows.store import opened
    from digitsum.tracking.trace import find_row

    with opened() as (client, experiment):
        rows = Rows(client, experiment)
        return fetch(client, rows.models_of(find_row(rows, client, what)), str(places.MODEL), what)
