"""A step on a GPU as one launch: recorded once for each shape of its inputs as a CUDA graph, then replayed.

A replay repeats the recorded kernels on the same memory with the same numbers. So a step must take all that
changes from its inputs, or from tensors that it changes in place, and neither wait for a value nor copy one.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

log = logging.getLogger(__name__)

# Steps of a shape before it is recorded: in them libraries choose kernels and the optimiser makes its state.
WARM_UP = 3


class Recorded(NamedTuple):
    """A step's graph, and the memory that it takes its inputs from and leaves its result in."""

    inputs: tuple[Tensor, ...]
    result: Tensor
    replay: Callable[[], None]


class Cuda:
    """Where steps are recorded without being taken: a stream of their own, and memory that graphs share."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Work on the own stream, in order with what comes before and after on the current one."""
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            yield
        current.wait_stream(self.stream)

    def record(self, step: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Recorded:
        graph = torch.cuda.CUDAGraph()
        with self.aside(), torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            result = step(*inputs)
        return Recorded(inputs, result, graph.replay)


class Graphs:
    """Called with a step, the same each time, and its inputs, takes the step: by a replay as soon as it can.
    Where it cannot be recorded, one line of the log says so, and what has no graph is taken as it is."""

    failed = False  # here, or for the whole process

    def __init__(self, device: torch.device) -> None:
        self.cuda = Cuda(device)
        self.taken: Counter[tuple[torch.Size, ...]] = Counter()
        self.recorded: dict[tuple[torch.Size, ...], Recorded] = {}

    def __call__(self, step: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        shapes = tuple(tensor.shape for tensor in inputs)
        if shapes not in self.recorded and not self.failed:
            if self.taken[shapes] < WARM_UP:
                self.taken[shapes] += 1
                with self.cuda.aside():
                    return step(*inputs)
            try:
                self.recorded[shapes] = self.cuda.record(step, tuple(map(torch.clone, inputs)))
            except RuntimeError as error:  # where CUDA broke it off, torch's allocator is not fit for another
                (self if isinstance(error, torch.OutOfMemoryError) else Graphs).failed = True
                log.warning("no CUDA graph, so steps take longer: %s", str(error).partition("\n")[0])
        if (recorded := self.recorded.get(shapes)) is None:
            return step(*inputs)
        for place, tensor in zip(recorded.inputs, inputs, strict=True):
            place.copy_(tensor)
        recorded.replay()
        return recorded.result.clone()  # the next replay writes over it
