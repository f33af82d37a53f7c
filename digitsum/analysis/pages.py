"""Self-contained HTML pages, and the pictures in them."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import UInt8
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

matplotlib.rcParams["svg.hashsalt"] = "digitsum"  # otherwise the ids in an SVG differ from run to run
Line = tuple[str, str, str]  # about the origin of a result: label, text, and the address of a link or nothing
ORIGIN = "<!-- origin -->"  # the place for lines about the result that a page is of
TEMPLATES = Environment(
    loader=PackageLoader("digitsum.analysis"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:
    TEMPLATES.filters["in_words"] = in_words
    return TEMPLATES.get_template(template).render(**values)


def in_words(p_value: float) -> str:
    """A p-value with its relation, as far as it means anything."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def with_origin(page: str, origin: Sequence[Line]) -> str:
    """A page with lines at its top about the result that it is of.

    A page that a stage writes has only a place for them: its bytes depend on data, params and code alone.
    """
    return page.replace(ORIGIN, render("origin.html", sides={"": origin}), 1)


def svg(figure: Figure, alt: str) -> Markup:
    """The figure as inline SVG that takes its text color from the page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{Markup.escape(alt)}"', 1)
    return Markup(drawing.replace("#000000", "currentColor"))


def png(image: UInt8[np.ndarray, "h w"]) -> str:
    """A gray image as a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def write_png(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, metadata={"Software": None})
