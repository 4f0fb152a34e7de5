"""The graph of the step ``lower`` -> FINN's nodes, in HLS where FINN has the variant; bilinear upsampling by ours."""

from __future__ import annotations

import copy

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation

from hw_build.errors import LoweringError
from hw_build.hls.bilinear import BilinearUpsample2x_hls
from hw_build.kernels.stream_kernel import divisors
from hw_build.lowering.graph import GraphEditor
from hw_build.lowering.nodes import FINN_DOMAIN, HLS_DOMAIN, only_consumer
from hw_build.lowering.rules import reject
from hw_build.stock_finn import folded, stock_nodes


class ResizesToHls(Transformation):
    """Bilinear Resize with its factor 16 -> BilinearUpsample2x_hls."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("Resize"):
            factor = only_consumer(graph, node.output[0], "Mul")
            if factor is None:
                raise reject(node, "has no integer factor of its own after it")
            graph.remove(node)
            graph.remove(factor)
            _, height, width, channels = graph.shapes[node.input[0]]
            graph.add_node(
                BilinearUpsample2x_hls.__name__, [node.input[0]], [factor.output[0]], name=node.name, domain=HLS_DOMAIN,
                backend="fpgadataflow", ImgDim=[height, width], NumChannels=channels, PE=1,
                inputDataType=graph.datatypes[node.input[0]].name,
            )  # fmt: skip
        graph.commit()
        return model, False


def hls_graph(lowered: ModelWrapper, part: str, target_cycles: int) -> ModelWrapper:
    """FINN's nodes for ``part``, HLS preferred, folded by FINN for ``target_cycles`` a frame.

    ``lowered`` stays as it is.

    Raises:
        LoweringError: FINN has no node for an operator, which it names.
    """
    model = copy.deepcopy(lowered).transform(ResizesToHls(), make_deepcopy=False, cleanup=False)
    model = stock_nodes(model, part, prefer_hls=True)
    for node in model.graph.node:
        if not node.domain.startswith(FINN_DOMAIN):
            raise LoweringError(
                f"node {node.name} ({node.op_type}): FINN's back end has no such node; build it with this project's RTL"
            )
    model = folded(model, target_cycles)
    for node in model.get_nodes_by_op_type(BilinearUpsample2x_hls.__name__):
        _fold(getCustomOp(node), target_cycles)
    return model


def _fold(op: BilinearUpsample2x_hls, target_cycles: int) -> None:
    """The fewest channels a beat that keep to ``target_cycles``, else all; FINN's folding knows FINN's nodes only."""
    for pe in divisors(op.get_nodeattr("NumChannels")):
        op.set_nodeattr("PE", pe)
        if op.get_exp_cycles() <= target_cycles:
            return
