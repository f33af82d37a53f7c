"""Steps on a GPU whose kernels are recorded once and launched together ever after, as a CUDA graph.

A step of a small net is more than a thousand short kernels, and launching them one by one takes longer than they run.
"""

import gc
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

WARM_UP = 3  # calls before the recording, in which libraries set up what they keep


class Recorded:
    """A function of a tensor and of something constant, for what it does to tensors that stay where they are.

    Every call does what the function does, bit by bit; but what it reads besides the tensor must have the same place in
    memory and shape at every call, and what is decided in Python is decided once. With another constant it is recorded
    anew. Random numbers come from `generator`, and from no other.
    """

    def __init__(self, function: Callable[[Tensor, Any], None], generator: torch.Generator):
        self.function, self.generator = function, generator
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._begin(None)

    def _begin(self, constant: Any) -> None:
        self.constant, self.calls = constant, 0
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, given: Tensor, constant: Any) -> None:
        if constant is not self.constant:
            self._begin(constant)
        self.calls += 1
        if self.calls <= WARM_UP:
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                self.function(given, constant)
            torch.cuda.current_stream().wait_stream(self.stream)
            return
        if self.graph is None:
            self.given = given.clone()
            self.graph = torch.cuda.CUDAGraph()
            self.graph.register_generator_state(self.generator)
            gc.collect()  # an older graph that is freed while one is recorded would break it
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.function(self.given, constant)
        self.given.copy_(given)
        self.graph.replay()
