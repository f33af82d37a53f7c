"""Training steps on a GPU as a CUDA graph: kernels are recorded once and from then on launched together.

A step of a small net is more than a thousand short kernels, and launching each takes longer than running it.
"""

import gc
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

WARM_UP = 3  # calls before the recording, in which libraries allocate their workspaces


class GraphedStep:
    """A function of a tensor and a constant that changes other tensors in place, as a CUDA graph with the same bits.

    All other tensors that the function uses must keep their place in memory and their shape from call to call. Python
    in the function runs only while it is recorded. A call with another constant records it again. All random numbers
    must come from `generator`.
    """

    def __init__(self, function: Callable[[Tensor, Any], None], generator: torch.Generator):
        self.function, self.generator = function, generator
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._begin(None)

    def _begin(self, constant: Any) -> None:
        self.constant, self.calls = constant, 0
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, argument: Tensor, constant: Any) -> None:
        if constant is not self.constant:
            self._begin(constant)
        self.calls += 1
        if self.calls <= WARM_UP:
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                self.function(argument, constant)
            torch.cuda.current_stream().wait_stream(self.stream)
            return
        if self.graph is None:
            self.argument = argument.clone()
            self.graph = torch.cuda.CUDAGraph()
            self.graph.register_generator_state(self.generator)
            gc.collect()  # freeing an older graph during the recording would break it
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.function(self.argument, constant)
        self.argument.copy_(argument)
        self.graph.replay()
