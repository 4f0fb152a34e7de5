"""Step `specialize`: FINN's abstract nodes become RTL ones for the part; nothing is left to HLS.

Node names become OPERATOR_NUMBER in graph order (they name RTL modules); metadata ``edgeseg_node_origin`` maps each
to the exporter's name. FINN's RTL nodes execute in numpy with exec_mode "cppsim": they then call their abstract base
class and need no compiler and no simulator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, reject, set_attribute
from hw_build.kernels import DOMAIN

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

DEFAULT_PART = "xc7z020clg400-1"
RTL_DOMAIN = "finn.custom_op.fpgadataflow.rtl"


class NameNodes(Transformation):
    """Name every node by its operator and its place among its kind; the exporter's names go to metadata."""

    def apply(self, model):
        graph = GraphEditor(model)
        counts: dict[str, int] = {}
        origin: dict[str, str] = {}
        for node in graph.sorted_nodes():
            number = counts[node.op_type] = counts.get(node.op_type, -1) + 1
            name = f"{node.op_type}_{number}"
            origin[name] = node.name
            node.name = name
        graph.set_metadata(edgeseg_node_origin=origin)
        graph.commit()
        return model, False


class RequireRtl(Transformation):
    """Check that every node is RTL, FINN's or ours, and let FINN's execute in numpy."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.nodes:
            if node.domain == RTL_DOMAIN:
                set_attribute(node, "exec_mode", "cppsim")
            elif node.domain != DOMAIN:
                raise reject(node, "has no RTL, neither FINN's nor a kernel of ours, for this part")
        graph.commit()
        return model, False


def specialize(model: ModelWrapper, fpgapart: str = DEFAULT_PART) -> ModelWrapper:
    """Abstract hardware graph -> RTL nodes for ``fpgapart``."""
    transformations = (SpecializeLayers(fpgapart), NameNodes(), RequireRtl())
    names = {node.output[0]: node.name for node in model.graph.node}
    for transformation in transformations:
        model = model.transform(transformation, make_deepcopy=False, cleanup=False)
        if isinstance(transformation, SpecializeLayers):  # it renames nodes: give them back their own
            for node in model.graph.node:
                node.name = names[node.output[0]]
    return model
