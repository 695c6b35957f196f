import pytest
import torch
from torch import nn

from lsbench import models
from lsbench.errors import UsageError
from lsbench.models.mlp import MLP
from lsbench.models.resnet import Block, ResNet, resnet18


def parameters(model):
    return sum(param.numel() for param in model.parameters())


def layers(model):
    return sum(isinstance(module, nn.Conv2d | nn.Linear) for module in model.modules())


def test_the_default_mlp_has_784_256_and_10_units():
    model = MLP((1, 28, 28), 10)
    assert [tuple(param.shape) for param in model.parameters()] == [(256, 784), (256,), (10, 256), (10,)]
    assert model(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


def test_mlp_without_hidden_layers_is_a_linear_model():
    assert parameters(MLP((1, 28, 28), 10, hidden=[])) == 7850


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_resnets_have_the_parameter_counts_of_table_6(depth, millions):
    """He et al. 2016, table 6, two digits; shortcuts of option A have none."""
    model = ResNet((3, 32, 32), 10, depth)
    assert parameters(model) / 1e6 == pytest.approx(millions, abs=0.05 if depth == 110 else 0.006)
    assert layers(model) == depth


def test_the_last_feature_maps_of_a_resnet_are_eight_by_eight():
    sizes = []
    model = ResNet((3, 32, 32), 10, 8)
    for block in model.blocks:
        block.register_forward_hook(lambda module, args, out: sizes.append(tuple(out.shape[1:])))
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert sizes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


def test_the_shortcut_subsamples_and_pads_with_zeros():
    block = Block(2, 5, stride=2).eval()
    nn.init.zeros_(block.norm2.weight)
    x = torch.rand(1, 2, 4, 4)
    expected = torch.zeros(1, 5, 2, 2)
    expected[:, :2] = x[:, :, ::2, ::2]
    assert torch.equal(block(x), expected)


def test_resnet18_is_torchvisions_with_a_stem_for_small_images():
    from torchvision.models import resnet18 as original

    ours, reference = resnet18((3, 32, 32), 10), original(num_classes=10)
    assert parameters(reference) - parameters(ours) == 3 * 64 * (49 - 9)
    assert ours(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    features = ours.maxpool(ours.relu(ours.bn1(ours.conv1(torch.zeros(1, 3, 32, 32)))))
    assert features.shape == (1, 64, 32, 32)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"_target_": "lsbench.models.mlp.MLP", "hidden": [0]}, "model.hidden"),
        ({"_target_": "lsbench.models.mlp.MLP", "hiden": [1]}, "hiden"),
        ({"_target_": "lsbench.models.mlp.Nothing"}, "Nothing"),
        ({"_target_": "lsbench.models.nothing.MLP"}, "nothing"),
        ({"_target_": "lsbench.models.resnet.ResNet", "depth": 9}, "model.depth=9: allowed is a whole"),
        ({"_target_": "lsbench.models.resnet.ResNet", "depth": "deep"}, "model.depth=deep: allowed is"),
        ({"_target_": "lsbench.models.resnet.ResNet", "depth": 8, "width": "w"}, "model.width=w: allowed"),
        ({"_target_": "lsbench.models.resnet.ResNet", "depth": 8, "width": 0}, "model.width=0"),
        ({}, "_target_"),
    ],
)
def test_a_model_that_cannot_be_built_is_a_usage_error(settings, message):
    with pytest.raises(UsageError, match=message):
        models.build({"name": "x"} | settings, (3, 32, 32), 10)
