"""How a model is judged and its mistakes are shown."""

from typing import ClassVar, Literal

from pydantic import Field

from digitsum.arithmetic import Arithmetic
from digitsum.params import Section


class EvaluateParams(Section):
    section: ClassVar[str] = "evaluate"
    device: Literal["auto", "cpu", "cuda", "mps"]
    arithmetic: Arithmetic
    threads: int = Field(ge=1, le=256)
    batch_size: int = Field(ge=1, le=65_536)


class ConfusionParams(Section):
    section: ClassVar[str] = "confusion"
    examples: int = Field(ge=1, le=200)


class GateParams(Section):
    """What a challenger must bring to become the champion; no stage reads it."""

    section: ClassVar[str] = "gate"
    min_strips: int = Field(ge=1)  # on fewer test strips nothing is decided
    alpha: float = Field(gt=0, lt=1)
    min_improvement: float = Field(ge=0, lt=1)
    max_calibration_error: float = Field(gt=0, le=1)
    min_macro_recall: float = Field(ge=0, le=1)
    tail: float = Field(gt=0, lt=0.5)
    min_tail_accuracy: float = Field(ge=0, le=1)
    max_latency: float = Field(gt=0)
    max_broken_slices: int = Field(ge=0)
