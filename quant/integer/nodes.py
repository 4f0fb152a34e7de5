"""Attributes of ONNX nodes."""

from __future__ import annotations

from onnx import NodeProto
from qonnx.util.basic import get_by_name


def attribute(node: NodeProto, name: str, default: object) -> object:
    """An attribute's value; bytes for strings. Brevitas writes a false flag as an empty string."""
    found = get_by_name(node.attribute, name)
    if found is None:
        return default
    kind = {1: "f", 2: "i", 3: "s", 6: "floats", 7: "ints"}[found.type]
    return getattr(found, kind)
