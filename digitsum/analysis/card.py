"""The card of a model: what it does, how good it is, what it was trained on, and its limits."""

from collections.abc import Mapping
from pathlib import Path

from digitsum.analysis.metrics import described
from digitsum.model.header import read_header
from digitsum.model.serving import schema

CARD = """# {title}

The model reads strips with {digits} handwritten digits and returns a probability for each sum from 0 to {highest}. It
learned from sums alone: no label gave it the digits or their positions.

- **Input**: strips of {height} x {width} pixels as uint8, 0 for paper to 255 for ink. Normalization is inside.
- **Output**: {outputs}.
- **Training**: {epochs} epochs on the source `{source}`.
- **File**: {size:,} bytes of safetensors; nothing is pickled.

## How good it is

On the test strips of the result that it belongs to:

| metric | value | 95% interval |
|---|---|---|
{metrics}

Other pens, photographs and other numbers of digits are harder.

## How to use it

```python
import mlflow

model = mlflow.pyfunc.load_model("models:/{model}")
model.predict(strips)  # uint8, n x {height} x {width}
```

`python -m digitsum predict IMAGE --model models:/{model}` fits a photograph to such a strip first.
"""


def title(path: Path, metrics: Mapping[str, float]) -> str:
    """The model in a file, in a line."""
    description = read_header(path)
    params, digits = description["params"], description["data"]["digits"]
    accuracy = f", {described('accuracy').text(metrics['accuracy'])} right" if "accuracy" in metrics else ""
    return f"Sum of {digits} handwritten digits: {params['head']} on {params['backbone']}{accuracy}"


def card(path: Path, metrics: Mapping[str, float], model: str) -> str:
    """The card in Markdown of the model in a file, which MLflow has under the id `model`."""
    description = read_header(path)
    data, trained_on = description["data"], description["trained_on"]
    _, outputs = schema(path)
    return CARD.format(
        title=title(path, metrics),
        digits=data["digits"],
        highest=9 * data["digits"],
        height=data["height"],
        width=data["width"],
        outputs=", ".join(f"`{name}`" for name, _, _ in outputs),
        epochs=trained_on.get("recipe", {}).get("epochs", "an unknown number of"),
        source=data["source"],
        size=path.stat().st_size,
        metrics="\n".join(_row(name, metrics) for name in metrics if described(name).headline),
        model=model,
    )


def _row(name: str, metrics: Mapping[str, float]) -> str:
    metric = described(name)
    ends = [metric.text(metrics[end]) for end in (f"{name}_low", f"{name}_high") if end in metrics]
    return f"| {metric.label} | {metric.text(metrics[name])} | {' to '.join(ends)} |"
