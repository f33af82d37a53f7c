"""What a section of params.yaml is: the base class of all sections, and types that several sections use.

The comment beside a key in params.yaml says what it means. `python -m digitsum docs` joins both into docs/params.md.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, lt=0.5)]
Threads = Annotated[int, Field(ge=1, le=256)]


class Strict(BaseModel):
    """Refuses unknown keys and wrong types, and is immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Section(Strict):
    """A section of params.yaml, which has the name of its module."""

    @classmethod
    def name(cls) -> str:
        return cls.__module__.rpartition(".")[2]
