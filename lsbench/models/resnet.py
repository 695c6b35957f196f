"""Residual networks (He et al. 2016): the CIFAR family of section 4.2, and torchvision's ResNet-18."""

import torch.nn.functional as F
from torch import Tensor, nn

from lsbench.ops.dropout import KeyedDropout


class Block(nn.Module):
    """Two 3x3 convolutions with BatchNorm. If the shape changes, the shortcut takes every second pixel and
    pads the new channels with zeros (option A of the paper), so it has no parameters."""

    def __init__(self, fan_in: int, fan_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(fan_in, fan_out, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(fan_out)
        self.conv2 = nn.Conv2d(fan_out, fan_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(fan_out)
        self.stride, self.new_channels = stride, fan_out - fan_in

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.stride > 1 or self.new_channels:
            x = F.pad(x[..., :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))
        return F.relu(x + y)


class ResNet(nn.Module):
    """Depth 6n+2: a 3x3 stem, three groups of n blocks with ``width`` times 1, 2 and 4 channels, global
    average pooling, dropout, Linear: [B,C,H,W] to logits [B,K].

    Raises ValueError for a depth that is not 6n+2 or a width below 1.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, depth: int, width: int = 16) -> None:
        super().__init__()
        if not isinstance(depth, int) or depth < 8 or (depth - 2) % 6:
            raise ValueError(f"model.depth={depth}: allowed is a whole number 6n+2 of at least 8")
        if not isinstance(width, int) or width < 1:
            raise ValueError(f"model.width={width}: allowed is a whole number of at least 1")
        self.stem = nn.Conv2d(shape[0], width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        blocks, channels = [], width
        for group in range(3):
            for index in range((depth - 2) // 6):
                stride = 2 if group and not index else 1
                blocks.append(Block(channels, width * 2**group, stride))
                channels = width * 2**group
        self.blocks = nn.Sequential(*blocks)
        self.dropout = KeyedDropout()
        self.head = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)))
        x = self.blocks(x).mean((-2, -1))
        logits: Tensor = self.head(self.dropout(x))
        return logits


def resnet18(shape: tuple[int, ...], classes: int) -> nn.Module:
    """torchvision's ResNet-18 with a stem for small images: a 3x3 convolution with stride 1, and no
    pooling."""
    from torchvision.models import resnet18 as torchvision_resnet18

    module: nn.Module = torchvision_resnet18(num_classes=classes)
    module.conv1 = nn.Conv2d(shape[0], 64, 3, padding=1, bias=False)
    module.maxpool = nn.Identity()
    module.fc = nn.Sequential(KeyedDropout(), nn.Linear(512, classes))
    nn.init.kaiming_normal_(module.conv1.weight, mode="fan_out", nonlinearity="relu")
    return module
