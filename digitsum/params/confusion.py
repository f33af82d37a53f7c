from pydantic import Field

from digitsum.params.section import Section


class ConfusionParams(Section):
    """The report on mistakes."""

    examples: int = Field(ge=1, le=200)
