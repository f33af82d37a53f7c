from typing import Literal

from pydantic import Field

from digitsum.params.section import Section, Threads


class EvaluateParams(Section):
    """Where and how fast the model is judged; of these, only the device and the threads can change last digits."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: Threads
    batch_size: int = Field(ge=1, le=65_536)
