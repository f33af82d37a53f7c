from pydantic import Field

from digitsum.params.section import Section


class ConfusionParams(Section):
    """How mistakes are shown."""

    examples: int = Field(ge=1, le=200)
