"""A lowered graph with FINN's own nodes for dense convolutions and thresholds, as where our kernels do not match."""

from qonnx.core.modelwrapper import ModelWrapper

from hw_build.lowering import STEPS
from hw_build.lowering.hardware import passes
from hw_build.lowering.lines import LinesForThresholds
from hw_build.operators.convolution import FuseConvolutions
from hw_build.operators.quantizer import ThresholdsToKernels

OURS = (FuseConvolutions, ThresholdsToKernels, LinesForThresholds)


def lowered_to_finn(model: ModelWrapper) -> ModelWrapper:
    """All steps, with the passes of the step `hardware` that are not ours to fuse."""
    for step in STEPS:
        if step.name != "hardware":
            model = step.run(model)
            continue
        for conversion in passes():
            if not isinstance(conversion, OURS):
                model = model.transform(conversion, make_deepcopy=False, cleanup=False)
    return model
