"""Raises the opset by onnx' version converter, so that each operator has one form."""

from __future__ import annotations

from onnx import helper, version_converter
from onnx.shape_inference import InferenceError
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.general import RemoveStaticGraphInputs

from hw_build.base.errors import LoweringError
from hw_build.graph.editor import QONNX_DOMAIN

LEAST_OPSET = 13
QUANTIZERS = ("Quant", "IntQuant", "BipolarQuant", "Trunc")
OLD_DOMAINS = ("onnx.brevitas", "finn.custom_op.general")  # of QONNX' operators, in files of some years ago


def raise_opset(model: ModelWrapper) -> ModelWrapper:
    """``model`` with at least `LEAST_OPSET`, QONNX' operators in QONNX' domain, and no constant among its inputs.

    Raises:
        LoweringError: onnx cannot convert an operator of it.
    """
    for node in model.graph.node:
        if node.op_type in QUANTIZERS and node.domain in OLD_DOMAINS:
            node.domain = QONNX_DOMAIN
    imports = {entry.domain: entry for entry in model.model.opset_import}
    if QONNX_DOMAIN not in imports:
        model.model.opset_import.append(helper.make_opsetid(QONNX_DOMAIN, 1))
    standard = imports.get("") or imports.get("ai.onnx")
    if standard is None:
        model.model.opset_import.append(helper.make_opsetid("", LEAST_OPSET))
    elif standard.version < LEAST_OPSET:
        try:
            model = ModelWrapper(version_converter.convert_version(model.model, LEAST_OPSET))
        except (RuntimeError, InferenceError) as error:
            raise LoweringError(
                f"the network is of opset {standard.version}, and onnx cannot raise it to {LEAST_OPSET} ({error}): "
                f"export it with opset {LEAST_OPSET} or more"
            ) from error
    return model.transform(RemoveStaticGraphInputs(), make_deepcopy=False, cleanup=False)
