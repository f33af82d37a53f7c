"""How a model is judged and its mistakes are shown."""

from typing import ClassVar, Literal

from pydantic import Field

from digitsum.params import Section


class EvaluateParams(Section):
    section: ClassVar[str] = "evaluate"
    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: int = Field(ge=1, le=256)
    batch_size: int = Field(ge=1, le=65_536)


class ConfusionParams(Section):
    section: ClassVar[str] = "confusion"
    examples: int = Field(ge=1, le=200)
