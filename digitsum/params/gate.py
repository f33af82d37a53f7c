from pydantic import Field

from digitsum.params.section import Section


class GateParams(Section):
    """The conditions that `promote` puts to a model before it becomes the champion. No stage reads them."""

    min_strips: int = Field(ge=1)
    alpha: float = Field(gt=0, lt=1)
    seed_sd: float = Field(ge=0, lt=1)
    min_improvement: float = Field(ge=0, lt=1)
    max_calibration_error: float = Field(gt=0, le=1)
    min_macro_recall: float = Field(ge=0, le=1)
    tail: float = Field(gt=0, lt=0.5)
    min_tail_accuracy: float = Field(ge=0, le=1)
    max_latency: float = Field(gt=0)
    max_broken_slices: int = Field(ge=0)
