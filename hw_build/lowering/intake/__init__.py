"""Intake: whatever ONNX file a network comes in, as the one plain form that the lowering starts from.

    file -> structure -> definitions -> opset -> constants, shapes -> no decision behind the logits
         -> floats at the ends -> QCDQ to Quant
         -> nothing left of Identity and the like -> channels first -> Pads inside convolutions
         -> what operators say otherwise -> one image at a time

Every command that reads a network reads it here; `convert` runs `normalise` again, which changes nothing the second
time. What the passes of onnx and qonnx do is left to them. In the end: one writer a tensor, sorted, opset of 13 or
more, batch 1, all shapes known, standard operators and Quant, NCHW. What cannot be brought there stays in the graph,
and `hw_build.lowering.rules` says why it does not lower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.lowering.intake.channels_last import ChannelsLastToFirst
from hw_build.lowering.intake.constants import fold_constants
from hw_build.lowering.intake.decision import drop_decision
from hw_build.lowering.intake.definitions import require_definitions
from hw_build.lowering.intake.element_types import floats_at_the_ends
from hw_build.lowering.intake.files import load_graph
from hw_build.lowering.intake.names import NameUnnamed, ReserveBoundaryNames
from hw_build.lowering.intake.nothing import DropNothing
from hw_build.lowering.intake.opset import raise_opset
from hw_build.lowering.intake.pads import ExplicitPads, FoldPads
from hw_build.lowering.intake.pixels import quantize_pixels
from hw_build.lowering.intake.qcdq import quantize_linear_to_quant
from hw_build.lowering.intake.rewrites import Rewrite
from hw_build.lowering.intake.shapes import infer_shapes, set_batch_to_one
from hw_build.lowering.intake.structure import sort_nodes
from hw_build.lowering.intake.validity import require_quantizers
from hw_build.lowering.intake.weights import TransposeWeights

if TYPE_CHECKING:
    from pathlib import Path

    from qonnx.core.modelwrapper import ModelWrapper

__all__ = ["load_graph", "load_network", "normalise"]


def load_network(path: Path, input_scale: float | None = None) -> ModelWrapper:
    """The network in the ONNX file at ``path``, in the form that lowering starts from.

    ``input_scale``: what a code of the image is worth, where the file does not quantize it to 8 bits first.

    Raises:
        BuildError: there is no such file, or it is no network.
        LoweringError: its graph is not valid, or fixed to what no hardware has.
    """
    model = normalise(load_graph(path))
    return model if input_scale is None else quantize_pixels(model, input_scale)


def normalise(model: ModelWrapper) -> ModelWrapper:
    """``model`` in the form that lowering starts from; ``model`` itself may be changed."""
    sort_nodes(model)
    require_definitions(model)
    require_quantizers(model)
    model = raise_opset(model)
    model = floats_at_the_ends(drop_decision(fold_constants(infer_shapes(model))))
    model = quantize_linear_to_quant(model)
    for transformation in (
        NameUnnamed(),
        ReserveBoundaryNames(),
        DropNothing(),
        ChannelsLastToFirst(),
        TransposeWeights(),
        ExplicitPads(),
        FoldPads(),
        Rewrite(),
    ):
        model = model.transform(transformation, make_deepcopy=False, cleanup=False)
    return set_batch_to_one(infer_shapes(model))
