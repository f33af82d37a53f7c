from pydantic import Field

from digitsum.params.section import Section


class GateParams(Section):
    """What a challenger must achieve to become the champion; no stage reads it."""

    min_strips: int = Field(ge=1)  # with fewer test strips the gate does not decide
    alpha: float = Field(gt=0, lt=1)
    min_improvement: float = Field(ge=0, lt=1)
    max_calibration_error: float = Field(gt=0, le=1)
    min_macro_recall: float = Field(ge=0, le=1)
    tail: float = Field(gt=0, lt=0.5)
    min_tail_accuracy: float = Field(ge=0, le=1)
    max_latency: float = Field(gt=0)  # milliseconds
    max_broken_slices: int = Field(ge=0)
