"""Which foldings a node can have, and writing one into it.

| node                          | legal                                                                     |
| ----------------------------- | ------------------------------------------------------------------------- |
| ours                          | what its ``folding_limits`` and ``folding_choices`` say                   |
| MVAU_rtl                      | SIMD divides MW, PE divides MH                                            |
| ConvolutionInputGenerator_rtl | SIMD divides IFMChannels; parallel_window=1 only at SIMD = IFMChannels    |
| FMPadding_rtl                 | SIMD divides NumChannels                                                  |
| every other                   | PE divides NumChannels                                                    |
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from onnx import NodeProto
from qonnx.custom_op.base import CustomOp
from qonnx.custom_op.registry import getCustomOp

from hw_build.errors import ConfigError
from hw_build.kernels.stream_kernel import StreamKernel, divisors
from hw_build.lowering.graph import attribute

Folding = dict[str, int | str]


def folding_limits(node: NodeProto) -> dict[str, tuple[str, int]]:
    """Folding attribute -> (what it must divide, its value); every divisor is legal. Our kernels say it themselves."""
    operation = getCustomOp(node)
    if isinstance(operation, StreamKernel):
        return operation.folding_limits()
    if node.op_type == "MVAU_rtl":
        return {"SIMD": ("MW", attribute(node, "MW")), "PE": ("MH", attribute(node, "MH"))}
    if node.op_type == "ConvolutionInputGenerator_rtl":
        return {"SIMD": ("IFMChannels", attribute(node, "IFMChannels"))}
    if node.op_type == "FMPadding_rtl":
        return {"SIMD": ("NumChannels", attribute(node, "NumChannels"))}
    return {"PE": ("NumChannels", attribute(node, "NumChannels"))}


def folding_choices(node: NodeProto) -> dict[str, tuple[int | str, ...]]:
    """Further attributes that cost and speed depend on -> their legal values."""
    operation = getCustomOp(node)
    if isinstance(operation, StreamKernel):
        return operation.folding_choices()
    return {"parallel_window": (0, 1)} if node.op_type == "ConvolutionInputGenerator_rtl" else {}


def foldings(node: NodeProto) -> Iterator[Folding]:
    """Every legal folding of ``node``."""
    limits = folding_limits(node)
    values = {key: divisors(whole) for key, (_, whole) in limits.items()} | folding_choices(node)
    for combination in itertools.product(*values.values()):
        folding = dict(zip(values, combination, strict=True))
        if not (folding.get("parallel_window") and folding["SIMD"] != limits["SIMD"][1]):
            yield folding


def apply_folding(operation: CustomOp, folding: Folding) -> None:
    """Write a folding into the node's attributes."""
    for key, value in folding.items():
        operation.set_nodeattr(key, value)


def check_folding(node: NodeProto, folding: Mapping[str, int | str]) -> Folding:
    """A user's folding of ``node``, completed and checked; ConfigError names the node, the rule and legal values."""
    limits, choices = folding_limits(node), folding_choices(node)
    for key, value in folding.items():
        if key not in limits and key not in choices:
            known = sorted({*limits, *choices})
            raise ConfigError(f"folding of {node.name}: {key} is unknown for {node.op_type}, known: {known}")
        if key in choices:
            if not any(value == choice and type(value) is type(choice) for choice in choices[key]):
                legal = " or ".join(map(str, choices[key]))
                raise ConfigError(f"folding of {node.name}: {key}={value} is not {legal}")
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigError(f"folding of {node.name}: {key}={value!r} is not an integer")
        what, whole = limits[key]
        if value < 1 or whole % value:
            legal = ", ".join(map(str, divisors(whole)))
            raise ConfigError(
                f"folding of {node.name}: {key}={value} does not divide {what}={whole}; choose one of {legal}"
            )
    result = {key: folding.get(key, attribute(node, key, 1)) for key in limits}
    result |= {key: folding.get(key, values[0]) for key, values in choices.items()}
    if result.get("parallel_window") and result["SIMD"] != limits["SIMD"][1]:
        raise ConfigError(
            f"folding of {node.name}: parallel_window=1 needs SIMD={limits['SIMD'][1]} (IFMChannels), "
            f"not {result['SIMD']}"
        )
    return result
