"""The forward pass of stacked members, by one of two strategies.

`vmap` turns M linear layers into one batched matrix product, and M convolutions into one grouped convolution.
`streams` runs each member's network by itself, on a GPU with forward and backward pass on a separate stream:
the GPU works on several at once, and a CUDA graph keeps them as parallel branches. A single member is always
run by itself.
"""

from collections.abc import Iterator, Mapping
from itertools import cycle

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from lsbench import models

Tensors = Mapping[str, Tensor]

STREAMS = 8  # at most; with more members several share a stream

# The type of weights, losses and updates by the setting ``precision``. bf16 is used in the model's forward
# and backward pass only.
DTYPES = {"fp32": torch.float32, "bf16": torch.float32, "fp64": torch.float64}


class MemberForward:
    """The forward pass: from normalised images [M,B,C,H,W] and each member's parameters and buffers, stacked
    as {name: [M, ...]}, to logits [M,B,K] in ``dtype``.

    With ``precision`` bf16 the weights are rounded for the pass and stored in float32. A convolutional
    network that runs by itself gets images with channels last, the layout that the libraries prefer (measured
    with ResNet-8 on a CPU: 0.76 of the time).
    """

    def __init__(
        self, model: nn.Module, size: int, device: torch.device, strategy: str, precision: str
    ) -> None:
        self.model, self.size = model, size
        self.dtype = DTYPES[precision]
        self.bf16 = precision == "bf16"
        self.rounded = _round_outside_norms(model) if self.bf16 else set()
        self.vectorised = strategy == "vmap" and size > 1
        self.channels_last = models.is_convolutional(model) and not self.vectorised
        if device.type == "cuda" and models.is_convolutional(model):
            torch.backends.cudnn.benchmark = True  # all steps have the same shapes, so trying kernels pays
        count = min(size, STREAMS) if strategy == "streams" and device.type == "cuda" else 0
        # torch declares no types for Stream
        self.streams = [torch.cuda.Stream(device) for _ in range(count)]  # type: ignore[no-untyped-call]

    def __call__(self, params: Tensors, buffers: Tensors, images: Tensor) -> Tensor:
        if self.bf16:
            images = images.bfloat16()
        if self.vectorised:
            logits: Tensor = vmap(self._member_logits)(params, buffers, images)
        else:
            logits = self._one_by_one(params, buffers, images)
        return logits.to(self.dtype)

    def _one_by_one(self, params: Tensors, buffers: Tensors, images: Tensor) -> Tensor:
        if len(images) == 1:  # squeeze, since [0] would copy every gradient
            weights, others = ({name: t.squeeze(0) for name, t in d.items()} for d in (params, buffers))
            return self._member_logits(weights, others, images[0])[None]
        members = zip(_unbind(params, self.size), _unbind(buffers, self.size), images, strict=True)
        if not self.streams:
            return torch.stack([self._member_logits(*member) for member in members])
        current = torch.cuda.current_stream(images.device)
        logits = []
        for stream, member in zip(cycle(self.streams), members, strict=False):
            stream.wait_stream(current)
            images.record_stream(stream)  # the backward pass may free this memory on another stream
            with torch.cuda.stream(stream):
                logits.append(self._member_logits(*member))
        for stream in self.streams:
            current.wait_stream(stream)
        for member_logits in logits:
            member_logits.record_stream(current)
        return torch.stack(logits)

    def _member_logits(self, params: Tensors, buffers: Tensors, images: Tensor) -> Tensor:
        """Logits [B,K] of one member from its own parameters and buffers."""
        if self.channels_last:
            images = images.to(memory_format=torch.channels_last)
        params = {name: t.bfloat16() if name in self.rounded else t for name, t in params.items()}
        logits: Tensor = functional_call(self.model, (params, dict(buffers)), (images,))
        return logits


def _unbind(stacked: Tensors, size: int) -> Iterator[Tensors]:
    """The tensors of each member, without a copy; autograd stacks their gradients in one operation."""
    unbound = {name: tensor.unbind() for name, tensor in stacked.items()}
    return ({name: tensors[member] for name, tensors in unbound.items()} for member in range(size))


def _round_outside_norms(model: nn.Module) -> set[str]:
    """Prepare ``model`` for bf16, and return the names of the parameters to round for each forward pass.

    These are all parameters except BatchNorm's: it takes and computes float32, and returns bfloat16. Autocast
    would do the same, but vmap silently ignores it (seen with torch 2.15).
    """
    rounded = {name for name, _ in model.named_parameters()}
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
            module.register_forward_hook(lambda _, inputs, output: output.bfloat16())
            rounded -= {f"{name}.{parameter}" for parameter, _ in module.named_parameters()}
    return rounded
