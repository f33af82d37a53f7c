from typing import Literal

from pydantic import Field

from digitsum.arithmetic import Arithmetic
from digitsum.params.section import Section, Threads


class EvaluateParams(Section):
    """The evaluation on the test strips. Device and threads can change the last digits of figures; nothing else can."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    arithmetic: Arithmetic
    threads: Threads
    batch_size: int = Field(ge=1, le=65_536)
