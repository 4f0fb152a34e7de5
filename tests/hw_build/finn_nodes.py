"""A lowered graph with FINN's own nodes for dense convolutions and thresholds, as where our kernels do not match."""

from qonnx.core.modelwrapper import ModelWrapper

from hw_build.lowering import STEPS
from hw_build.lowering.finn_nodes import MatMulsToMvau, PatchesToSlidingWindows, ThresholdsToHardware
from hw_build.lowering.own_kernels import ForkStreams, FuseDepthwise, StreamNodesToKernels
from hw_build.lowering.sum_thresholds import FuseSumThresholds


def lowered_to_finn(model: ModelWrapper) -> ModelWrapper:
    """All steps, with the conversions of the step `hardware` that are not ours to fuse."""
    for step in STEPS:
        if step.name != "hardware":
            model = step.run(model)
            continue
        for conversion in (
            FuseDepthwise(), FuseSumThresholds(), PatchesToSlidingWindows(), MatMulsToMvau(), ThresholdsToHardware(),
            StreamNodesToKernels(), ForkStreams(),
        ):  # fmt: skip
            model = model.transform(conversion, make_deepcopy=False, cleanup=False)
    return model
