"""An idiomatic PyTorch training loop for a GPU, for `bench_gpu.py`: all data on the device, an nn.Module in
channels_last, autocast, fused torch.optim.SGD, F.cross_entropy, and torch.compile on request."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lsbench import models
from lsbench.config import Run
from lsbench.models import is_convolutional


class Loop:
    """A network, its optimiser and the data on ``device``; a call trains for one epoch."""

    def __init__(self, run: Run, images: Tensor, labels: Tensor, device: torch.device, *, compiled: bool):
        self.run, self.device = run, device
        self.dtype = torch.bfloat16 if run.precision == "bf16" else torch.float32
        self.images, self.labels = images.to(device), labels.to(device)
        model = models.build(run.model, tuple(images.shape[1:]), int(labels.max()) + 1).to(device)
        self.format = torch.channels_last if is_convolutional(model) else torch.contiguous_format
        model = model.to(memory_format=self.format)
        fused = device.type == "cuda"
        self.optimizer = torch.optim.SGD(model.parameters(), run.lr, momentum=0.9, nesterov=True, fused=fused)
        self.model: nn.Module = torch.compile(model, mode="max-autotune-no-cudagraphs") if compiled else model  # type: ignore[assignment]

    def __call__(self) -> None:
        mean, std = 33.0, 79.0
        order = torch.randperm(len(self.images), device=self.device)
        for rows in order.split(self.run.batch_size):
            images = self.images[rows].float().sub_(mean).div_(std).contiguous(memory_format=self.format)
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                logits = self.model(images)
            loss = F.cross_entropy(logits.float(), self.labels[rows], label_smoothing=self.run.alpha)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
