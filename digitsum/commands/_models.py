"""How commands pass models to tracking, which knows nothing about them, and how models are found."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from digitsum import places

if TYPE_CHECKING:
    from digitsum.tracking.rows.contents import Contents
    from digitsum.tracking.rows.models import ModelForm
    from digitsum.tracking.rows.origin import Line


FILES = (  # that people open in MLflow; it lays those of several results beside each other
    places.REPORT,
    places.CONFUSION / "matrix.png",
    places.CONFUSION / "worst.png",
    places.DATA_REPORT / "quality.html",
)


def row_contents() -> "Contents":
    """What the row of a result shows besides params and metrics."""
    from digitsum.tracking.rows.contents import Contents

    curves = (str(places.TRAINING_CURVE), str(places.LEARNING_CURVE))
    return Contents(_model_form(), tuple(map(str, FILES)), curves, _dressed)


def _model_form() -> "ModelForm":
    """How MLflow serves and describes the pipeline's model."""
    import digitsum
    from digitsum.model import serving
    from digitsum.tracking.rows.models import ModelForm

    code = Path(digitsum.__file__).parent
    return ModelForm(
        str(places.MODEL),
        serving.__name__,
        code,
        serving.NEEDS,
        serving.schema,
        ("strip", "model", "train"),
        _title,
        _card,
    )


# what these import takes seconds, and few calls of sync need it


def _title(file: Path, metrics: Mapping[str, float]) -> str:
    from digitsum.analysis.card import title

    return title(file, metrics)


def _card(file: Path, metrics: Mapping[str, float], model: str) -> str:
    from digitsum.analysis.card import card

    return card(file, metrics, model)


def _dressed(page: str, origin: "Sequence[Line]") -> str:
    from digitsum.analysis.pages import with_origin

    return with_origin(page, origin)


def model_file(what: str) -> Path:
    """A model file, or the model of a result: from the workspace, DVC's cache or MLflow.

    Raises:
        InputError: if there is no such file or result, or the result has no model.
    """
    if Path(what).exists() or what.endswith(".safetensors"):
        return Path(what)
    from digitsum.tracking.find import find_model

    return find_model(what, str(places.MODEL))
