"""What the settings fp32, bf16 and fp64 mean for a model."""

import torch
from torch import nn

# What weights, losses and updates are kept in. bf16 is for the forward and backward pass of the model only.
DTYPES = {"fp32": torch.float32, "bf16": torch.float32, "fp64": torch.float64}


def round_outside_norms(model: nn.Module) -> set[str]:
    """Prepare ``model`` for bf16 and name the parameters to round for a pass.

    All but those of BatchNorm, which takes and computes float32 and hands on bfloat16. Autocast would do
    the same, but under vmap it does nothing, without a word (seen with torch 2.15).
    """
    rounded = {name for name, _ in model.named_parameters()}
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
            module.register_forward_hook(lambda _, inputs, output: output.bfloat16())
            rounded -= {f"{name}.{own}" for own, _ in module.named_parameters()}
    return rounded
