"""Step `hardware`: every node becomes a streaming kernel, FINN's or ours.

| pattern (NHWC)                                     | becomes                                                       |
| -------------------------------------------------- | ------------------------------------------------------------- |
| Pad - Im2Col(depthwise) - MatMul - MultiThreshold  | DepthwiseConv_rtl                                             |
| the same - Add(its input) - MultiThreshold         | DepthwiseConv_rtl, Residual=1: no fork, no FIFO, no adder     |
| Pad - Im2Col - MatMul - MultiThreshold; 1x1 too    | ConvThreshold_rtl                                             |
| MatMul - Add of a constant, the graph's output     | ConvThreshold_rtl, Raw=1: the logits                          |
| MultiThreshold of unsigned codes                   | Threshold_rtl                                                 |
| Pad, Im2Col                                        | FMPadding, ConvolutionInputGenerator                          |
| MatMul                                             | MVAU, noActivation=1                                          |
| MultiThreshold                                     | Thresholding                                                  |
| Add, or Resize - Mul(16), then MultiThreshold      | StreamAddThreshold_rtl, BilinearThreshold2x_rtl: sums of      |
|                                                    | unsigned codes, up to 10 bits, or more where a shift serves   |
| MaxPoolNHWC                                        | MaxPool2x2_rtl                                                |
| Resize - Mul(16)                                   | BilinearUpsample2x_rtl                                        |
| Add of two streams; of a constant; Concat          | StreamAdd_rtl; ChannelBias_rtl; StreamConcat_rtl              |
| a tensor with several readers                      | StreamFork_rtl                                                |

Where a kernel of ours has more than 31 thresholds a channel and they lie on a line, it multiplies, adds and shifts
(``kernels/lines.py``).

FINN's own Infer* passes build the same nodes, but run InferDataTypes after it, which widens every sum to 32 bits and
loses the accumulator ranges that are known here; so the nodes are made directly, with FINN's attributes.
"""

from __future__ import annotations

from qonnx.core.modelwrapper import ModelWrapper

from hw_build.lowering.finn_nodes import MatMulsToMvau, PatchesToSlidingWindows, ThresholdsToHardware
from hw_build.lowering.fuse_conv import FuseConvolutions, ThresholdsToKernels
from hw_build.lowering.lines import LinesForThresholds
from hw_build.lowering.own_kernels import ForkStreams, FuseDepthwise, StreamNodesToKernels
from hw_build.lowering.sum_thresholds import FuseSumThresholds

PASSES = (
    FuseDepthwise(),
    FuseSumThresholds(),
    FuseConvolutions(),
    ThresholdsToKernels(),
    PatchesToSlidingWindows(),
    MatMulsToMvau(),
    ThresholdsToHardware(),
    StreamNodesToKernels(),
    ForkStreams(),
    LinesForThresholds(),
)


def hardware(model: ModelWrapper) -> ModelWrapper:
    """Integer NHWC graph -> kernels of FINN's hardware abstraction layer and ours, one reader per stream."""
    for transformation in PASSES:
        model = model.transform(transformation, make_deepcopy=False, cleanup=False)
    return model
