"""Which foldings a node can have, as it says itself, and writing one into it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.finn_rtl.hardware_node import hardware_node
from hw_build.graph.editor import attribute
from hw_build.kernels.fabric import SERIES_7, Fabric
from hw_build.kernels.stream_kernel import divisors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from onnx import NodeProto
    from qonnx.custom_op.base import CustomOp

Folding = dict[str, int | str]


def folding_limits(node: NodeProto) -> dict[str, tuple[str, int]]:
    """Folding attribute -> (what it must divide, its value); every divisor is legal."""
    return hardware_node(node).folding_limits()


def folding_choices(node: NodeProto, fabric: Fabric = SERIES_7) -> dict[str, tuple[int | str, ...]]:
    """Further attributes that cost and speed depend on -> their legal values."""
    return hardware_node(node).folding_choices(fabric)


def foldings(node: NodeProto, fabric: Fabric = SERIES_7) -> Iterator[Folding]:
    """Every legal folding of ``node``."""
    hardware = hardware_node(node)
    limits = hardware.folding_limits()
    values = {key: divisors(whole) for key, (_, whole) in limits.items()} | hardware.folding_choices(fabric)
    for combination in itertools.product(*values.values()):
        folding = dict(zip(values, combination, strict=True))
        if hardware.folding_conflict(folding) is None:
            yield folding


def apply_folding(operation: CustomOp, folding: Folding) -> None:
    """Write a folding into the node's attributes."""
    for key, value in folding.items():
        operation.set_nodeattr(key, value)


def check_folding(node: NodeProto, folding: Mapping[str, int | str], fabric: Fabric = SERIES_7) -> Folding:
    """A user's folding of ``node``, completed and checked; ConfigError names the node, the rule and legal values."""
    limits, choices = folding_limits(node), folding_choices(node, fabric)
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
    if (conflict := hardware_node(node).folding_conflict(result)) is not None:
        raise ConfigError(f"folding of {node.name}: {conflict}")
    return result
