from pydantic import Field

from digitsum.params.section import Section


class StripParams(Section):
    """The strip, which is the image that the model reads. All glyphs must fit, wherever `preprocess` may place them."""

    digits: int = Field(ge=1, le=8)
    height: int = Field(ge=28, le=512)
    width: int = Field(ge=28, le=4096)
