"""A run of MLflow as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Run:
    """The row of a result, or the run of a stage. Anybody who can write to the store may have chosen the texts."""

    id: str
    name: str
    status: str
    start: int  # milliseconds since the epoch
    end: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    models: tuple[str, ...]  # ids of logged models, newest first; a user may have deleted some
    artifacts: str  # address

    @classmethod
    def read(cls, run: Any) -> "Run":
        """From MLflow's own object."""
        info, data = run.info, run.data
        models = sorted(run.outputs.model_outputs if run.outputs else [], key=lambda model: -model.step)
        return cls(
            info.run_id,
            printable(info.run_name or ""),
            info.status,
            info.start_time,
            info.end_time,
            {name: printable(value) for name, value in data.tags.items()},
            {printable(name): printable(value) for name, value in data.params.items()},
            dict(data.metrics),
            tuple(model.model_id for model in models),
            printable(info.artifact_uri or ""),
        )

    @property
    def seconds(self) -> float:
        return ((self.end or self.start) - self.start) / 1000


def printable(text: str) -> str:
    """A text without control characters, which could drive a terminal; line ends stay."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n ")
