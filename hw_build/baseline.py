"""What stock FINN would make of the same network at the same rate: its own nodes, its own folding, its own estimates.

The graph of the step `lower` goes through FINN's conversions: ConvolutionInputGenerator, MVAU, VVAU for depthwise
layers, Thresholding, Pool, ElementwiseAdd, DuplicateStreams. FINN has no bilinear upsampling; what stands for it stays
unconverted and counts nothing. FINN's SetFolding folds for the target, and every figure is FINN's estimate
(`res_estimation`, `exp_cycles_per_layer`): nothing here was synthesised or simulated, and FIFOs are not in it. Its DSP
estimate packs four products into a DSP whatever their widths.
"""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from typing import Any

from finn.analysis.fpgadataflow.exp_cycles_per_layer import exp_cycles_per_layer
from finn.analysis.fpgadataflow.res_estimation import res_estimation
from finn.transformation.fpgadataflow.convert_to_hw.conv_inp_gen import InferConvInpGen
from finn.transformation.fpgadataflow.convert_to_hw.duplicate_streams import InferDuplicateStreamsLayer
from finn.transformation.fpgadataflow.convert_to_hw.elementwise_binary_operation import InferElementwiseBinaryOperation
from finn.transformation.fpgadataflow.convert_to_hw.pool import InferPool
from finn.transformation.fpgadataflow.convert_to_hw.quantized_matrix_vector_activation import (
    InferQuantizedMatrixVectorActivation,
)
from finn.transformation.fpgadataflow.convert_to_hw.thresholding import InferThresholdingLayer
from finn.transformation.fpgadataflow.convert_to_hw.vector_vector_activation import InferVectorVectorActivation
from finn.transformation.fpgadataflow.set_folding import SetFolding
from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.general import GiveUniqueNodeNames

from hw_build.lowering.finn_nodes import PatchesToSlidingWindows
from hw_build.lowering.graph import attribute, set_attribute

_COUNTED = {"LUT": "luts", "DSP": "dsps", "BRAM_18K": "bram18"}


def finn_baseline(lowered: ModelWrapper, target_cycles: int, part: str) -> dict[str, Any]:
    """FINN's estimates for the graph of the step `lower`, folded by FINN for ``target_cycles`` a frame on ``part``.

    ``cycles_per_frame``, ``luts``, ``dsps``, ``bram18``; ``nodes``: op type -> how many and the same figures;
    ``not_in_finn``: op types that FINN has no node for.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one line for each data type that FINN widens
        model = _stock_nodes(copy.deepcopy(lowered), part)
    model = model.transform(SetFolding(target_cycles, two_pass_relaxation=False), make_deepcopy=False, cleanup=False)
    resources, cycles = res_estimation(model, part), exp_cycles_per_layer(model)
    nodes: dict[str, Counter] = {}
    for node in model.graph.node:
        if node.name in resources:
            figures = {name: round(resources[node.name].get(key, 0)) for key, name in _COUNTED.items()}
            nodes.setdefault(node.op_type, Counter()).update(figures | {"count": 1})
    return {
        "target_cycles": target_cycles,
        "cycles_per_frame": max(cycles.values()),
        **{name: sum(figures[name] for figures in nodes.values()) for name in _COUNTED.values()},
        "nodes": {kind: dict(figures) for kind, figures in nodes.items()},
        "not_in_finn": sorted(node.op_type for node in model.graph.node if node.name not in resources),
    }


def _stock_nodes(model: ModelWrapper, part: str) -> ModelWrapper:
    """FINN's nodes for ``part`` by FINN's own conversions; padding by ours, which builds FINN's node."""
    depthwise = {
        node.output[0]: list(attribute(node, "kernel_size"))
        for node in model.graph.node
        if node.op_type == "Im2Col" and attribute(node, "depthwise", 0)
    }
    model = model.transform(PatchesToSlidingWindows(), make_deepcopy=False, cleanup=False)
    for node in model.graph.node:
        model.set_tensor_layout(node.output[0], ["N", "H", "W", "C"])
        if node.output[0] in depthwise:
            set_attribute(node, "depthwise", 1)
            (product,) = model.find_consumers(node.output[0])
            model.set_tensor_sparsity(product.input[1], {"dw": {"kernel_shape": depthwise[node.output[0]]}})
    for conversion in (
        InferPool(),
        InferConvInpGen(),
        InferVectorVectorActivation(),
        InferThresholdingLayer(),
        InferQuantizedMatrixVectorActivation(),
        InferElementwiseBinaryOperation(),
        InferDuplicateStreamsLayer(),
        SpecializeLayers(part),
        GiveUniqueNodeNames(),
    ):
        model = model.transform(conversion, make_deepcopy=False, cleanup=False)
    return model
