"""Compile Triton's kernels for an H100, without a GPU, and print a line of JSON for each.

It runs in a separate process, since Triton either compiles or interprets all kernels of a process.
"""

import itertools
import json

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from lsbench.ops import _triton

TOTALS = {"fp32": "fp32", "bf16": "fp32", "fp16": "fp32", "fp64": "fp64"}


def compile_kernel(kernel, logits, **constants):
    """Compile ``kernel`` for ``logits`` of a type, with pointers to aligned memory."""
    names, total = kernel.arg_names, TOTALS[logits]
    kinds = dict.fromkeys(names, "i32") | {"target": "*i64"}  # as a launch types Python's numbers
    kinds |= dict.fromkeys(("weight", "loss", "max_and_log_sum"), f"*{total}")
    kinds |= {"logits": f"*{logits}", "logit_grad": f"*{logits}"}
    for name, in_memory in (("alpha", "ALPHAS"), ("grad", "GRADS")):
        kinds[name] = f"*{total}" if constants[in_memory] else "fp32"
    kinds |= dict.fromkeys(constants, "constexpr")
    aligned = [i for i, name in enumerate(names) if kinds[name].startswith("*")]
    source = ASTSource(
        fn=kernel,
        signature={name: kinds[name] for name in names},
        constexprs={(names.index(name),): value for name, value in constants.items()},
        attrs={(position,): [["tt.divisibility", 16]] for position in aligned},
    )
    warps = _triton.SHORT_WARPS if kernel is _triton._short else _triton.LONG_WARPS
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps})
    code = made.asm["ptx"]
    settings = {name: value for name, value in constants.items() if name != "T"}
    counts = {"loads16": code.count("ld.global.v4"), "stores16": code.count("st.global.v4")}
    # the offset of a row must be computed in 64 bits
    counts["offsets32"] = sum(
        f", {constants['CLASSES']};" in line for line in code.splitlines() if "mul.lo.s32" in line
    )
    identity = {"kernel": kernel.__name__, "logits": logits, "target": ".target sm_90" in code}
    print(json.dumps(identity | settings | counts | {"cubin": len(made.asm["cubin"])}), flush=True)


def main():
    kernels = (
        (_triton._short, {"CLASSES": 10, "HEIGHT": 128, "WIDTH": 16}),
        (_triton._long, {"CLASSES": 32000, "WIDTH": 4096}),
    )
    usual = {
        "DENSE": True,
        "ALPHAS": True,
        "GRADS": False,
        "SMOOTH": True,
        "CONVENTION": 0,
        "WEIGHTED": False,
        "LOSS": True,
        "LOGIT_GRAD": True,
    }
    for (kernel, size), logits in itertools.product(kernels, ("fp32", "bf16")):
        compile_kernel(kernel, logits, T=tl.float32, **usual, **size)
    for classes in (1, 100, 1000, 5001, 131_072):
        kernel = _triton._short if classes <= _triton.TILE else _triton._long
        size = {"WIDTH": _triton.BLOCK}
        if kernel is _triton._short:
            width = triton.next_power_of_2(classes)
            size = {"HEIGHT": max(_triton.MIN_ELEMENTS // width, 1), "WIDTH": width}
        compile_kernel(kernel, "fp32", T=tl.float32, CLASSES=classes, **usual, **size)
    for kernel, size in kernels:
        weighted = usual | {"DENSE": False, "ALPHAS": False, "GRADS": True, "WEIGHTED": True, "CONVENTION": 2}
        compile_kernel(kernel, "fp16", T=tl.float32, **(weighted | {"LOGIT_GRAD": False}), **size)
        compile_kernel(kernel, "fp64", T=tl.float64, **(weighted | {"LOSS": False, "SMOOTH": False}), **size)


main()
