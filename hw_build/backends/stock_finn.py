"""FINN's own nodes for a lowered network, by FINN's own conversions and folding; windows by ours, which build FINN's.

What FINN has no node for stays unconverted: bilinear upsampling, concatenation.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from finn.custom_op.fpgadataflow.hls import custom_op as hls_variants
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
from qonnx.transformation.general import GiveUniqueNodeNames

from hw_build.graph.editor import attribute, set_attribute
from hw_build.graph.nodes import FINN_DOMAIN
from hw_build.operators.finn_nodes import PadsToPaddingNodes, PatchesToSlidingWindows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qonnx.core.modelwrapper import ModelWrapper


def stock_nodes(model: ModelWrapper, part: str, *, prefer_hls: bool = False) -> ModelWrapper:
    """The graph of the step `lower`, changed in place, as FINN's nodes for ``part``.

    FINN chooses between RTL and HLS; with ``prefer_hls`` it takes HLS wherever it has that.
    """
    with quiet():
        model = abstract_nodes(model)
        if prefer_hls:
            for node in model.graph.node:
                if node.domain == FINN_DOMAIN and f"{node.op_type}_hls" in hls_variants:
                    set_attribute(node, "preferred_impl_style", "hls")
        for last in (SpecializeLayers(part), GiveUniqueNodeNames()):
            model = model.transform(last, make_deepcopy=False, cleanup=False)
    return model


def abstract_nodes(model: ModelWrapper) -> ModelWrapper:
    """FINN's hardware nodes, neither RTL nor HLS yet."""
    for windows in (PadsToPaddingNodes(), PatchesToSlidingWindows()):
        model = model.transform(windows, make_deepcopy=False, cleanup=False)
    for node in model.graph.node:
        model.set_tensor_layout(node.output[0], ["N", "H", "W", "C"])
        if attribute(node, "depthwise", 0):  # a window: FINN reads the same of the weights behind it
            (product,) = model.find_consumers(node.output[0])
            kernel = list(attribute(node, "ConvKernelDim"))
            model.set_tensor_sparsity(product.input[1], {"dw": {"kernel_shape": kernel}})
    for conversion in (
        InferPool(),
        InferConvInpGen(),
        InferVectorVectorActivation(),
        InferThresholdingLayer(),
        InferQuantizedMatrixVectorActivation(),
        InferElementwiseBinaryOperation(),
        InferDuplicateStreamsLayer(),
    ):
        model = model.transform(conversion, make_deepcopy=False, cleanup=False)
    return model


def folded(model: ModelWrapper, target_cycles: int) -> ModelWrapper:
    """``model`` with the PE and SIMD that FINN gives its nodes for ``target_cycles`` a frame."""
    folding = SetFolding(target_cycles, two_pass_relaxation=False)
    with quiet():
        return model.transform(folding, make_deepcopy=False, cleanup=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps back what FINN says of every data type that it widens and every node that it does not fold."""
    log = logging.getLogger("finn_logger")
    level = log.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            log.setLevel(level)
