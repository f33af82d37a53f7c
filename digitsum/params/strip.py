from pydantic import Field

from digitsum.params.section import Section


class StripParams(Section):
    """The geometry of one image."""

    digits: int = Field(ge=1, le=8)
    height: int = Field(ge=28, le=512)  # pixels, like the width
    width: int = Field(ge=28, le=4096)
