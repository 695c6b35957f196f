"""Training steps on a GPU as CUDA graphs: recorded once for each shape of the inputs, then replayed by one
launch.

A replay repeats the recorded kernels on the same memory with the same numbers. So everything that changes
from step to step must be in the step's inputs, or in tensors that it updates in place; and a step must
neither synchronise with the host nor copy from it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

log = logging.getLogger(__name__)

# Eager steps of a shape before it is recorded: in them libraries choose kernels and the optimiser creates its
# state.
WARM_UP = 3


class RecordedStep(NamedTuple):
    """A recorded step: the memory that a replay reads its inputs from and writes its result to, and the
    replay."""

    inputs: tuple[Tensor, ...]
    result: Tensor
    replay: Callable[[], None]


class Recorder:
    """A recorder of steps, on a separate stream and in memory that all graphs share. Recording does not run
    the step."""

    def __init__(self, device: torch.device) -> None:
        # torch declares no types for Stream
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def on_stream(self) -> Iterator[None]:
        """Work on the recorder's stream, ordered after earlier and before later work on the current
        stream."""
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            yield
        current.wait_stream(self.stream)

    def record(self, step: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> RecordedStep:
        graph = torch.cuda.CUDAGraph()
        with self.on_stream(), torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            result = step(*inputs)
        return RecordedStep(inputs, result, graph.replay)


@dataclass
class CaptureStatus:
    """The ability of a process to record graphs: a capture that CUDA aborts leaves torch's allocator unusable
    for another capture in the same process."""

    usable: bool = True


CAPTURE = CaptureStatus()


class Graphs:
    """Training steps as graphs: ``graphs(step, *inputs)`` records a step for each shape of its inputs and
    replays it.

    ``step`` must be the same at each call. If it cannot be recorded, a warning is logged once and steps
    without a graph are taken eagerly: by this object if memory ran out, in the whole process otherwise
    (``capture``).
    """

    def __init__(self, device: torch.device) -> None:
        self.recorder = Recorder(device)
        self.capture = CAPTURE
        self.out_of_memory = False
        self.warm_up_steps: Counter[tuple[torch.Size, ...]] = Counter()
        self.recorded: dict[tuple[torch.Size, ...], RecordedStep] = {}

    @property
    def failed(self) -> bool:
        return self.out_of_memory or not self.capture.usable

    def __call__(self, step: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        shapes = tuple(tensor.shape for tensor in inputs)
        if shapes not in self.recorded and not self.failed:
            if self.warm_up_steps[shapes] < WARM_UP:
                self.warm_up_steps[shapes] += 1
                with self.recorder.on_stream():
                    return step(*inputs)
            self._record(step, shapes, inputs)
        if (recorded := self.recorded.get(shapes)) is None:
            return step(*inputs)
        for memory, tensor in zip(recorded.inputs, inputs, strict=True):
            memory.copy_(tensor)
        recorded.replay()
        return recorded.result.clone()  # the next replay overwrites it

    def _record(
        self, step: Callable[..., Tensor], shapes: tuple[torch.Size, ...], inputs: tuple[Tensor, ...]
    ) -> None:
        try:
            self.recorded[shapes] = self.recorder.record(step, tuple(map(torch.clone, inputs)))
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                self.out_of_memory = True
            else:
                self.capture.usable = False
            log.warning("no CUDA graph, so steps take longer: %s", str(error).partition("\n")[0])
