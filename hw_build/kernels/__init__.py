"""Streaming kernels of this project as FINN custom ops; qonnx finds them by the domain ``hw_build.kernels``."""

from hw_build.kernels.add import StreamAdd_rtl
from hw_build.kernels.bias import ChannelBias_rtl
from hw_build.kernels.bilinear import BilinearUpsample2x_rtl
from hw_build.kernels.concat import StreamConcat_rtl
from hw_build.kernels.conv import ConvThreshold_rtl
from hw_build.kernels.depthwise import DepthwiseConv_rtl
from hw_build.kernels.fork import StreamFork_rtl
from hw_build.kernels.maxpool import MaxPool2x2_rtl
from hw_build.kernels.sum_thresholds import BilinearThreshold2x_rtl, StreamAddThreshold_rtl
from hw_build.kernels.threshold import Threshold_rtl

DOMAIN = "hw_build.kernels"

custom_op = {
    op.__name__: op
    for op in (
        BilinearThreshold2x_rtl,
        BilinearUpsample2x_rtl,
        ChannelBias_rtl,
        ConvThreshold_rtl,
        DepthwiseConv_rtl,
        MaxPool2x2_rtl,
        StreamAddThreshold_rtl,
        StreamAdd_rtl,
        StreamConcat_rtl,
        StreamFork_rtl,
        Threshold_rtl,
    )
}
