"""A convolutional network small enough to train in a second on a CPU."""

from torch import Tensor, nn

from lsbench.ops.dropout import KeyedDropout


class SmallCNN(nn.Module):
    """Two 3×3 convolutions with stride 2, the mean over positions, and a linear layer: [B,C,H,W] to [B,K].

    It draws no random numbers; ``KeyedDropout`` marks where ``method=dropout`` acts.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, channels: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(shape[0], channels, kernel_size=3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, kernel_size=3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            KeyedDropout(),
            nn.Linear(2 * channels, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits
