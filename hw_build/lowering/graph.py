"""The graph editor under the name by which the steps know it."""

from hw_build.graph.editor import (
    CHANNELS_LAST,
    CHANNELS_LAST_DOMAIN,
    GLOBAL_IN,
    GLOBAL_OUT,
    ONNX_DOMAINS,
    QONNX_DOMAIN,
    GraphEditor,
    attribute,
    label,
    reject,
    set_attribute,
    smallest_integer_type,
)

__all__ = [
    "CHANNELS_LAST",
    "CHANNELS_LAST_DOMAIN",
    "GLOBAL_IN",
    "GLOBAL_OUT",
    "ONNX_DOMAINS",
    "QONNX_DOMAIN",
    "GraphEditor",
    "attribute",
    "label",
    "reject",
    "set_attribute",
    "smallest_integer_type",
]
