"""How the members of a stack go through their network: as one, or each by itself.

`vmap` makes of M linear layers a batched matrix product, and of M convolutions one that is grouped. `streams`
gives each member a pass of its own, and on a GPU a stream for it and for the way back: the GPU works on
several at once, and a CUDA graph keeps them as branches. A member alone has its own pass in any case.
"""

from collections.abc import Iterator, Mapping
from itertools import cycle

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from lsbench import models

Tensors = Mapping[str, Tensor]

STRATEGIES = ("vmap", "streams")
STREAMS = 8  # at most; members take turns on them

# The type of weights, losses and updates by the setting ``precision``: bf16 is for the forward and backward
# pass of the model only.
DTYPES = {"fp32": torch.float32, "bf16": torch.float32, "fp64": torch.float64}


class MemberForward:
    """Normalised images [M,B,C,H,W] to logits [M,B,K], with each member's own ``params`` and ``buffers`` out
    of stacked ones: {name: [M, ...]}.

    With ``bf16`` the weights are rounded for the pass and kept in float32. In a pass of its own a network
    with convolutions gets images with their channels last, as the libraries want them (measured with ResNet-8
    on a CPU: 0.76 of the time).
    """

    def __init__(
        self, model: nn.Module, size: int, device: torch.device, strategy: str, precision: str = "fp32"
    ) -> None:
        self.model, self.size = model, size
        self.dtype = DTYPES[precision]
        self.bf16 = precision == "bf16"
        self.rounded = _round_outside_norms(model) if self.bf16 else set()
        self.as_one = strategy == "vmap" and size > 1
        self.channels_last = models.is_convolutional(model) and not self.as_one
        if device.type == "cuda" and models.is_convolutional(model):
            torch.backends.cudnn.benchmark = True  # shapes are those of every step, so it pays to try kernels
        beside = min(size, STREAMS) if strategy == "streams" and device.type == "cuda" else 0
        self.streams = [torch.cuda.Stream(device) for _ in range(beside)]  # type: ignore[no-untyped-call]

    def __call__(self, params: Tensors, buffers: Tensors, images: Tensor) -> Tensor:
        if self.bf16:
            images = images.bfloat16()
        return self._logits(params, buffers, images).to(self.dtype)

    def _logits(self, params: Tensors, buffers: Tensors, images: Tensor) -> Tensor:
        if self.as_one:
            logits: Tensor = vmap(self._pass)(params, buffers, images)
            return logits
        if len(images) == 1:  # [0] instead of squeeze would copy every gradient
            weights, others = ({name: t.squeeze(0) for name, t in d.items()} for d in (params, buffers))
            return self._pass(weights, others, images[0])[None]
        members = zip(_members(params, self.size), _members(buffers, self.size), images, strict=True)
        if not self.streams:
            return torch.stack([self._pass(*each) for each in members])
        current = torch.cuda.current_stream(images.device)
        found = []
        for stream, each in zip(cycle(self.streams), members, strict=False):
            stream.wait_stream(current)
            images.record_stream(stream)  # whose memory the way back may free on another
            with torch.cuda.stream(stream):
                found.append(self._pass(*each))
        for stream in self.streams:
            current.wait_stream(stream)
        for logits in found:
            logits.record_stream(current)
        return torch.stack(found)

    def _pass(self, params: Tensors, buffers: Tensors, images: Tensor) -> Tensor:
        if self.channels_last:
            images = images.to(memory_format=torch.channels_last)
        params = {name: t.bfloat16() if name in self.rounded else t for name, t in params.items()}
        logits: Tensor = functional_call(self.model, (params, dict(buffers)), (images,))
        return logits


def _members(stacked: Tensors, size: int) -> Iterator[Tensors]:
    """Each member's own, without a copy; their gradients are put together at one stroke."""
    parts = {name: tensor.unbind() for name, tensor in stacked.items()}
    return ({name: own[member] for name, own in parts.items()} for member in range(size))


def _round_outside_norms(model: nn.Module) -> set[str]:
    """Prepare ``model`` for bf16; returns the names of the parameters to round for each forward pass.

    These are all but those of BatchNorm, which takes and computes float32 and returns bfloat16. Autocast
    would do the same, but vmap silently ignores it (seen with torch 2.15).
    """
    rounded = {name for name, _ in model.named_parameters()}
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
            module.register_forward_hook(lambda _, inputs, output: output.bfloat16())
            rounded -= {f"{name}.{parameter}" for parameter, _ in module.named_parameters()}
    return rounded
