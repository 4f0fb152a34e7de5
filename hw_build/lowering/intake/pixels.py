"""Codes of the image in files that do not say what they are: others quantize it elsewhere, or to other codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.errors import LoweringError
from hw_build.graph.editor import QONNX_DOMAIN, GraphEditor

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

CODE_BITS = 8


def quantize_pixels(model: ModelWrapper, scale: float) -> ModelWrapper:
    """``model`` with a Quant before all else: its image is codes of 8 bits, unsigned, each worth ``scale``.

    Raises:
        LoweringError: the network has no image, or several.
    """
    graph = GraphEditor(model)
    if len(graph.inputs) != 1:
        raise LoweringError(f"--input-scale says what one image is worth, the network has {len(graph.inputs)} inputs")
    (image,) = graph.inputs
    pixels = graph.add_tensor(f"{image}_pixels", graph.shapes.get(image, ()))
    graph.rename_uses(image, pixels)
    constants = (("scale", scale), ("zero", 0.0), ("bits", float(CODE_BITS)))
    names = [graph.add_constant(f"{pixels}_{name}", np.float32(value)) for name, value in constants]
    quantizer = {"signed": 0, "narrow": 0, "rounding_mode": "ROUND"}
    graph.add_node("Quant", [image, *names], [pixels], domain=QONNX_DOMAIN, name=graph.unique("Pixels"), **quantizer)
    graph.commit()
    return model
