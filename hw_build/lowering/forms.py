"""In which form a network is: how its input is laid out and what one code and one logit step are worth.

Each step leaves its conventions in metadata (JSON text): ``edgeseg_input`` is "float_nchw" (absent: the exported
network), "codes_nchw" or "codes_nhwc"; ``edgeseg_input_scale`` and ``edgeseg_output_scale`` are the real values of one
input code and one integer logit step.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_build.base.errors import BuildError
from hw_build.graph.editor import GraphEditor
from hw_build.lowering.convert import convert
from hw_build.lowering.streamline import streamline

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

EXPORTED, CODES_NCHW, CODES_NHWC = "float_nchw", "codes_nchw", "codes_nhwc"


def metadata(model: ModelWrapper, key: str, default: Any = None) -> Any:
    """A metadata property of the model, stored as JSON."""
    text = model.get_metadata_prop(key)
    return default if text is None else json.loads(text)


def input_layout(model: ModelWrapper) -> str:
    """EXPORTED, CODES_NCHW or CODES_NHWC."""
    return metadata(model, "edgeseg_input", EXPORTED)


def scales(model: ModelWrapper) -> tuple[float, float]:
    """(input, output) scale of this form; those of an exported network are computed once and kept in its metadata."""
    if input_layout(model) == EXPORTED:
        if metadata(model, "edgeseg_export_scales") is None:
            model.set_metadata_prop("edgeseg_export_scales", json.dumps(_export_scales(model)))
        return tuple(metadata(model, "edgeseg_export_scales"))
    return metadata(model, "edgeseg_input_scale"), _output_scale(model)


def _export_scales(model: ModelWrapper) -> tuple[float, float]:
    """By the passes that compute them for the later forms."""
    later = streamline(convert(copy.deepcopy(model)))
    return metadata(later, "edgeseg_input_scale"), metadata(later, "edgeseg_output_scale")


def _output_scale(model: ModelWrapper) -> float:
    """1 for integer logits, else (after `convert`) what streamlining finds."""
    if GraphEditor(model).is_integer(model.graph.output[0].name):
        return 1.0
    return metadata(streamline(copy.deepcopy(model)), "edgeseg_output_scale")


def input_of(model: ModelWrapper, codes: np.ndarray) -> np.ndarray:
    """Codes (1, H, W, C) uint8 as this form of the network takes them: float32, NCHW or NHWC, scaled if exported."""
    if codes.dtype != np.uint8 or codes.ndim != 4 or codes.shape[0] != 1:
        raise BuildError(f"codes are {codes.dtype} of shape {codes.shape}: uint8 (1, H, W, C) is needed")
    layout = input_layout(model)
    values = codes.astype(np.float32)
    if layout != CODES_NHWC:
        values = values.transpose(0, 3, 1, 2)
    if layout == EXPORTED:
        values = values * np.float32(scales(model)[0])
    shape = tuple(model.get_tensor_shape(model.graph.input[0].name))
    if values.shape != shape:
        raise BuildError(
            f"the network takes input of shape {shape}, the image gives {values.shape}: set the input size"
        )
    return np.ascontiguousarray(values)
