"""Small networks made with Brevitas by hand, as its users make them: nothing of ``quant`` runs.

Each entry of ``NETWORKS`` makes one in evaluation mode, its BNs and scales calibrated on noise, seeded by its name.
FLOAT are Brevitas' default quantizers (float scales, ties to even), FIXED those of powers of two.
"""

import zlib
from dataclasses import dataclass
from enum import Enum

import brevitas.nn as qnn
import torch
from brevitas.core.function_wrapper import CeilSte, FloorSte, RoundToZeroSte
from brevitas.inject.enum import ScalingImplType
from brevitas.quant import (
    Int8ActPerTensorFixedPoint,
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    Int8WeightPerTensorFloat,
    Int32Bias,
    Uint8ActPerTensorFixedPoint,
    Uint8ActPerTensorFloat,
)
from torch import nn


class Kind(Enum):
    """(weights, unsigned activations, signed activations) of Brevitas."""

    FLOAT = (Int8WeightPerTensorFloat, Uint8ActPerTensorFloat, Int8ActPerTensorFloat)
    FIXED = (Int8WeightPerTensorFixedPoint, Uint8ActPerTensorFixedPoint, Int8ActPerTensorFixedPoint)
    CHANNELS = (Int8WeightPerChannelFloat, Uint8ActPerTensorFloat, Int8ActPerTensorFloat)


class Pixels(Uint8ActPerTensorFloat):
    """Codes of an image from 0 to 1: 255 of them."""

    scaling_impl_type = ScalingImplType.CONST
    scaling_init = 1.0


class Pixels256(Pixels):
    """Code / 256, as this project has it."""

    scaling_init = 255 / 256


def rounding(quantizer, function):
    """``quantizer`` with another rounding of Brevitas."""
    return type(quantizer.__name__, (quantizer,), {"float_to_int_impl": function})


@dataclass(frozen=True)
class Bits:
    """Quantizers and widths; its methods make layers of them."""

    weight: int = 4
    activation: int = 4
    kind: Kind = Kind.FLOAT
    round: type | None = None

    def conv(self, inputs, outputs, kernel=3, **settings):
        kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        padding = tuple(side // 2 for side in kernel)
        settings = {"padding": padding, "bias": False, "weight_bit_width": self.weight, **settings}
        return qnn.QuantConv2d(inputs, outputs, kernel, weight_quant=self.kind.value[0], **settings)

    def transposed(self, inputs, outputs, kernel=2, **settings):
        settings = {"stride": 2, "bias": False, "weight_bit_width": self.weight, **settings}
        layer = qnn.QuantConvTranspose2d(inputs, outputs, kernel, weight_quant=self.kind.value[0], **settings)
        return nn.Sequential(layer, nn.BatchNorm2d(outputs), self.relu())

    def relu(self, **settings):
        quantizer = self.kind.value[1] if self.round is None else rounding(self.kind.value[1], self.round)
        settings = {"bit_width": self.activation, "return_quant_tensor": True, **settings}
        return qnn.QuantReLU(act_quant=quantizer, **settings)

    def signed(self, **settings):
        quantizer = self.kind.value[2] if self.round is None else rounding(self.kind.value[2], self.round)
        settings = {"bit_width": self.activation, "return_quant_tensor": True, **settings}
        return qnn.QuantIdentity(act_quant=quantizer, **settings)

    def unsigned(self, **settings):
        settings = {"bit_width": self.activation, "return_quant_tensor": True, **settings}
        return qnn.QuantIdentity(act_quant=self.kind.value[1], **settings)

    def block(self, inputs, outputs, kernel=3, **settings):
        return nn.Sequential(self.conv(inputs, outputs, kernel, **settings), nn.BatchNorm2d(outputs), self.relu())

    def depthwise(self, channels, kernel=3):
        return self.block(channels, channels, kernel, groups=channels)


class Network(nn.Module):
    """Pixels, a stem of 4 channels, ``body(self, x)`` over ``layers``, a head without bias unless it is given.

    ``step`` is what a code of the image is worth.
    """

    def __init__(self, body, bits=None, *, channels=4, inputs=3, pixels=Pixels, stem=None, head=None, **layers):
        super().__init__()
        bits = bits or Bits()
        self.body, self.step = body, pixels.scaling_init / 255
        self.pixels = qnn.QuantIdentity(act_quant=pixels, bit_width=8, return_quant_tensor=True)
        self.stem = stem or bits.block(inputs, 4, weight_bit_width=8)
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.head = head or bits.conv(channels, 1, 1, weight_bit_width=8)

    def forward(self, x):
        return self.head(self.body(self, self.stem(self.pixels(x))))


class Enlarged(nn.Module):
    """Bilinear upsampling, then a quantizer."""

    def __init__(self, quantizer, factor=2):
        super().__init__()
        self.up = nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=False)
        self.quantizer = quantizer

    def forward(self, x):
        return self.quantizer(self.up(getattr(x, "value", x)))  # dynamo traces plain tensors


class Nearest(nn.Module):
    """Nearest upsampling of codes: they stay codes."""

    def __init__(self, factor):
        super().__init__()
        self.up = nn.Upsample(scale_factor=factor)

    def forward(self, x):
        return self.up(getattr(x, "value", x))


class OfValues(nn.Module):
    """A function of values, whatever their scale is."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(getattr(x, "value", x))


class Shuffle(nn.Module):
    """Pixel shuffle of codes."""

    def __init__(self, factor):
        super().__init__()
        self.shuffle = nn.PixelShuffle(factor)

    def forward(self, x):
        return self.shuffle(getattr(x, "value", x))


class Unshuffle(Shuffle):
    """Pixel unshuffle of codes."""

    def __init__(self, factor):
        super().__init__(factor)
        self.shuffle = nn.PixelUnshuffle(factor)


def shuffle_unit(net, x):
    """ShuffleNet's unit: half of the channels pass, the others are convolved; then groups are mixed."""
    kept, other = net.shared(net.a(x)).value.chunk(2, 1)
    joined = torch.cat([kept, *values(net.shared(net.b(other)))], 1)
    batch, channels, height, width = joined.shape
    mixed = joined.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)
    return net.c(mixed)


def valid_unet(net, x):
    """The first U-Net: convolutions without padding, and what skips is cropped; the last one pads, for whole masks."""
    (skip,) = values(net.shared(x))
    up = values(net.shared(net.up(net.b(net.pool(net.a(x))))))
    return net.c(torch.cat([skip[:, :, 3:-3, 3:-3], *up], 1))


def activated(bits, inputs, outputs, function, after, norm=None):
    """convolution, quantizer, an activation that is not monotonic, [BN,] the quantizer ``after``."""
    norm = [] if norm is None else [norm]
    return nn.Sequential(bits.conv(inputs, outputs), bits.signed(), OfValues(function), *norm, after)


def curved(bits, inputs, outputs, function, after, kernel=3, **settings):
    """convolution, BN and an activation, as people write them: the quantizer stands behind it."""
    conv = bits.conv(inputs, outputs, kernel, **settings)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), OfValues(function), after)


def mbconv(bits, function, sigmoid, kind="signed"):
    """EfficientNet's and MobileNetV3's block: expand, depthwise, squeeze and excite, project, sum."""
    after = getattr(bits, kind)
    return {
        "expand": curved(bits, 4, 8, function, after(), 1),
        "deep": curved(bits, 8, 8, function, after(), groups=8),
        "pooled": nn.Sequential(OfValues(nn.AdaptiveAvgPool2d(1)), after()),
        "squeeze": nn.Sequential(bits.conv(8, 2, 1, bias=True), OfValues(function), after()),
        "excite": nn.Sequential(bits.conv(2, 8, 1, bias=True), OfValues(sigmoid), bits.unsigned()),
        "gated": after(),
        "project": nn.Sequential(bits.conv(8, 4, 1), nn.BatchNorm2d(4)),
        "shared": bits.signed(),
        "out": bits.signed(),
    }


def inverted(net, x):
    deep = net.deep(net.expand(x))
    first, second = values(deep, net.excite(net.squeeze(net.pooled(deep))))
    return net.out(net.shared(x) + net.shared(net.project(net.gated(first * second))))


def pyramid_pooling(net, x):
    """PSPNet's: averages of 1, 2x2 and 4x4 parts, each through a convolution and back to the size."""
    branches = [net.shared(branch(x)) for branch in net.branches]
    return torch.cat([net.shared(x), *branches], dim=1)


def spatial_pyramid(net, x):
    """YOLO's SPP: maxima of growing windows."""
    (codes,) = values(net.shared(x))
    return net.c(torch.cat([codes, *(pool(codes) for pool in net.pools)], dim=1))


def chain(net, x):
    return net.c(net.b(net.a(x))) if hasattr(net, "c") else net.b(net.a(x)) if hasattr(net, "b") else net.a(x)


def summed(net, x):
    """Both addends through one quantizer, so that they have one scale; the sum through another."""
    return net.out(net.shared(x) + net.shared(net.a(x)))


def joined(net, x):
    return torch.cat([net.shared(x), net.shared(net.a(x))], dim=1)


def values(*tensors):
    """Without their scales, which differ."""
    return [getattr(x, "value", x) for x in tensors]


def sum_of_two_scales(net, x):
    first, second = values(x, net.a(x))
    return net.out(first + second)


def join_of_two_scales(net, x):
    """A convolution reads the codes as they are; then a quantizer stands behind a join."""
    y = net.b(torch.cat(values(x, net.a(x)), dim=1))
    return net.out(torch.cat(values(x, y), dim=1))


class ChannelGate(nn.Module):
    """Squeeze and excitation: the mean of each channel, two 1x1 convolutions, a (hard) sigmoid, and the product."""

    def __init__(self, bits, channels, sigmoid, after):
        super().__init__()
        self.pool = OfValues(nn.AdaptiveAvgPool2d(1))
        self.mean, self.gate, self.after = bits.unsigned(), bits.unsigned(), after
        self.squeeze = nn.Sequential(bits.conv(channels, 2, 1), bits.relu())
        self.squeeze[0].weight.data[0].abs_()  # the means are positive: one channel is always alive
        self.excite = nn.Sequential(bits.conv(2, channels, 1), bits.signed(), OfValues(sigmoid))

    def forward(self, x):
        gate = self.gate(self.excite(self.squeeze(self.mean(self.pool(x)))))
        first, second = values(x, gate)
        return self.after(first * second)


class PixelGate(nn.Module):
    """One value for all channels of a pixel, as attention gates have it."""

    def __init__(self, bits, channels, after):
        super().__init__()
        self.map = nn.Sequential(bits.conv(channels, 1, 1), bits.signed(), OfValues(nn.Sigmoid()), bits.unsigned())
        self.after = after

    def forward(self, x):
        first, second = values(x, self.map(x))
        return self.after(second * first)


def unet_of_sums(net, x):
    down = net.b(net.pool(net.a(x)))
    return net.c(net.out(net.shared(x) + net.shared(net.up(down))))


def unet_of_joins(net, x):
    down = net.b(net.pool(net.a(x)))
    return net.c(torch.cat([net.shared(x), net.shared(net.up(down))], dim=1))


def pooled_twice(net, x):
    return net.out(net.shared(x) + net.shared(net.up(net.a(net.pool(net.pool(x))))))


def shortcut(net, x):
    """A ResNet's block that halves the image, its sum behind the shortcut's own convolution; then back up."""
    return net.up(net.out(net.shared(net.b(net.a(x))) + net.shared(net.short(x))))


def pyramid(net, x):
    """Dilated branches side by side, as ASPP has them."""
    return torch.cat([net.shared(branch(x)) for branch in net.branches], dim=1)


def deeplab(net, x):
    """ASPP of an image at a quarter of its size, which is enlarged again at the end."""
    return net.up(net.b(pyramid(net, net.a(x))))


def two_levels(net, x):
    first = net.a(x)
    second = net.b(net.pool(first))
    third = net.c(net.pool(second))
    up = net.d(torch.cat([net.join1(second), net.join1(net.up1(third))], dim=1))
    return net.e(torch.cat([net.join2(first), net.join2(net.up2(up))], dim=1))


def dense(net, x):
    y = net.a(net.shared(x))
    z = net.b(torch.cat([net.shared(x), net.shared(y)], dim=1))
    return torch.cat([net.shared(x), net.shared(y), net.shared(z)], dim=1)


def five_readers(net, x):
    parts = [net.shared(branch(x)) for branch in net.branches]
    return net.c(torch.cat(parts, dim=1))


def mobile(net, x):
    return net.out(net.shared(x) + net.shared(net.project(net.depthwise(net.expand(x)))))


def post_activation(net, x):
    return net.relu(net.shared(x) + net.shared(net.norm(net.a(x))))


def two_sums(net, x):
    y = net.out1(net.shared1(x) + net.shared1(net.a(x)))
    return net.out2(net.shared2(y) + net.shared2(net.b(y)))


POOL = {"pool": nn.MaxPool2d(2)}
FIXED, W2A2, W8A8 = Bits(kind=Kind.FIXED), Bits(2, 2), Bits(8, 8)
F3A5, F8A8, W6A7 = Bits(3, 5, Kind.FIXED), Bits(8, 8, Kind.FIXED), Bits(6, 7)


def _plain(bits, **settings):
    return lambda: Network(chain, bits, a=bits.block(4, 6), b=bits.block(6, 4), **settings)


def _sum(bits):
    return lambda: Network(summed, bits, a=bits.block(4, 4), shared=bits.unsigned(), out=bits.unsigned())


def _unet(bits, body, joined_channels, **settings):
    return lambda: Network(
        body, bits, **POOL, a=bits.block(4, 4), b=bits.block(4, 4), up=Enlarged(bits.unsigned()),
        shared=bits.unsigned(), out=bits.unsigned(), c=bits.block(joined_channels, 4), **settings,
    )  # fmt: skip


def _two_levels(bits):
    return lambda: Network(
        two_levels, bits, **POOL, a=bits.block(4, 4), b=bits.block(4, 6), c=bits.block(6, 6), d=bits.block(12, 4),
        e=bits.block(8, 4), join1=bits.unsigned(), join2=bits.unsigned(), up1=Enlarged(bits.unsigned()),
        up2=Enlarged(bits.unsigned()),
    )  # fmt: skip


def _mobile(bits):
    return lambda: Network(
        mobile, bits, expand=bits.block(4, 8, 1), depthwise=bits.depthwise(8), shared=bits.signed(), out=bits.signed(),
        project=nn.Sequential(bits.conv(8, 4, 1), nn.BatchNorm2d(4)),
    )  # fmt: skip


def _five_readers(bits):
    return Network(
        five_readers, bits, channels=4, shared=bits.unsigned(), c=bits.block(10, 4, 1),
        branches=nn.ModuleList(bits.block(4, 2, kernel) for kernel in (1, 3, 5, (1, 3), (3, 1))),
    )  # fmt: skip


def _with_bias(bits):
    """Biases by Brevitas' own quantizer, and a convolution without BN."""
    biased = {"bias": True, "bias_quant": Int32Bias}
    return Network(
        chain, bits, a=nn.Sequential(bits.conv(4, 6, **biased), bits.relu()), b=bits.block(6, 4),
        head=bits.conv(4, 1, 1, **biased),
    )  # fmt: skip


NETWORKS = {
    "w4a4": _plain(Bits()),
    "w2a2": _plain(W2A2),
    "w8a8": _plain(W8A8),
    "w6a7": _plain(W6A7),
    "w3a5_fixed": _plain(F3A5, pixels=Pixels256),
    "w8a8_fixed": _plain(F8A8, pixels=Pixels256),
    "channels_of_their_own_scale": _plain(Bits(4, 4, Kind.CHANNELS), head=Bits().conv(4, 1, 1)),
    "one_channel": _plain(Bits(), inputs=1),
    "four_channels_fixed": _plain(FIXED, inputs=4),
    "floor": _plain(Bits(4, 4, Kind.FIXED, FloorSte)),
    "ceil": _plain(Bits(4, 4, Kind.FLOAT, CeilSte)),
    "to_zero": _plain(Bits(4, 3, Kind.FIXED, RoundToZeroSte)),
    "biases": lambda: _with_bias(Bits()),
    "biases_fixed": lambda: _with_bias(FIXED),
    "head_of_3x3": _plain(Bits(), head=Bits().conv(4, 1, 3)),
    "kernels_1x7_7x1": lambda: Network(chain, a=Bits().block(4, 4, (1, 7)), b=Bits().block(4, 4, (7, 1))),
    "kernels_5_and_1x3": lambda: Network(chain, FIXED, a=FIXED.block(4, 4, 5), b=FIXED.block(4, 4, (1, 3))),
    "kernels_2x2": lambda: Network(
        chain, a=Bits().block(4, 4, 2, padding=1), b=Bits().block(4, 4, 2, padding=0), c=Bits().block(4, 4)
    ),
    "depthwise_separable": lambda: Network(
        chain, channels=8, a=Bits().depthwise(4), b=Bits().block(4, 8, 1), c=Bits(5, 6).depthwise(8, 5)
    ),
    "sum": _sum(Bits()),
    "sum_fixed": _sum(FIXED),
    "two_sums_w5a6": lambda: Network(
        two_sums, Bits(5, 6), a=Bits(5, 6).block(4, 4), b=Bits(5, 6).depthwise(4), shared1=Bits(5, 6).unsigned(),
        shared2=Bits(5, 6).unsigned(), out1=Bits(5, 6).unsigned(), out2=Bits(5, 6).unsigned(),
    ),
    "inverted_bottleneck_signed": _mobile(Bits()),
    "inverted_bottleneck_signed_fixed": _mobile(Bits(4, 6, Kind.FIXED)),
    "post_activation": lambda: Network(
        post_activation, FIXED, a=FIXED.conv(4, 4), norm=nn.BatchNorm2d(4), shared=FIXED.signed(), relu=FIXED.relu()
    ),
    "unet_of_sums": _unet(Bits(), unet_of_sums, 4),
    "unet_of_joins_fixed": _unet(FIXED, unet_of_joins, 8, pixels=Pixels256),
    "unet_of_nearest": lambda: Network(
        unet_of_joins, **POOL, a=Bits().block(4, 4), b=Bits().block(4, 4), shared=Bits().unsigned(),
        up=nn.Sequential(Nearest(2), Bits().block(4, 4)), c=Bits().block(8, 4),
    ),
    "nearest_x4_fixed": lambda: Network(
        pooled_twice, FIXED, **POOL, a=FIXED.block(4, 4), up=Nearest(4), shared=FIXED.unsigned(), out=FIXED.unsigned()
    ),
    "unet_of_transposed": lambda: Network(
        unet_of_joins, **POOL, a=Bits().block(4, 4), b=Bits().block(4, 8), shared=Bits().unsigned(),
        up=Bits().transposed(8, 4), c=Bits().block(8, 4),
    ),
    "transposed_3x3_and_4x4_fixed": lambda: Network(
        chain, FIXED, a=FIXED.block(4, 8, 4, stride=4, padding=0), c=FIXED.transposed(6, 4, 4, padding=1),
        b=FIXED.transposed(8, 6, 3, padding=1, output_padding=1),
    ),
    "pixel_shuffle": lambda: Network(
        chain, **POOL, a=nn.Sequential(nn.MaxPool2d(2), Bits().block(4, 16)), b=Shuffle(2), c=Bits().block(4, 4)
    ),
    "stem_pool_3x3": lambda: Network(
        chain, a=nn.Sequential(Bits().block(4, 6), nn.MaxPool2d(3, 2, 1)), b=Nearest(2), c=Bits().block(6, 4)
    ),
    "shuffle_unit": lambda: Network(
        shuffle_unit, channels=4, shared=Bits().unsigned(), a=Bits().block(4, 8, 1), b=Bits().depthwise(4),
        c=Bits().block(8, 4, groups=4),
    ),
    "pixel_unshuffle": lambda: Network(
        chain, a=nn.Sequential(Unshuffle(2), Bits().block(16, 8)), b=Bits().block(8, 16), c=Shuffle(2)
    ),
    "valid_unet": lambda: Network(
        valid_unet, **POOL, a=Bits().block(4, 4, padding=0), b=Bits().block(4, 4, 3, padding=0), up=Nearest(2),
        shared=Bits().unsigned(), c=Bits().block(8, 4, 7, padding=6),
    ),
    "average_pools_fixed": lambda: Network(
        pyramid, FIXED, channels=12, shared=FIXED.unsigned(),
        branches=nn.ModuleList((
            OfValues(nn.AvgPool2d(3, 1, 1)), FIXED.block(4, 4),
            nn.Sequential(OfValues(nn.AvgPool2d(3, 2, 1)), FIXED.unsigned(), FIXED.block(4, 4), Nearest(2)),
        )),
    ),
    "spp_fixed": lambda: Network(
        pyramid, FIXED, channels=12, shared=FIXED.unsigned(),
        branches=nn.ModuleList((nn.MaxPool2d(3, 1, 1), nn.MaxPool2d(5, 1, 2), FIXED.block(4, 4))),
    ),
    "resnet_block_strided": lambda: Network(
        shortcut, a=Bits().block(4, 6, stride=2), b=Bits().block(6, 4), short=Bits().block(4, 4, 1, stride=2),
        shared=Bits().unsigned(), out=Bits().unsigned(), up=Nearest(2),
    ),
    "mobile_strided_fixed": lambda: Network(
        chain, FIXED, a=FIXED.block(4, 8, 1), b=FIXED.block(8, 8, 5, stride=2, groups=8),
        c=nn.Sequential(Nearest(2), FIXED.block(8, 4, 1)),
    ),
    "aspp": lambda: Network(
        pyramid, channels=8, shared=Bits().unsigned(),
        branches=nn.ModuleList(Bits().block(4, 2, 3, dilation=each, padding=each) for each in (1, 2, 3, 6)),
    ),
    "deeplab_fixed": lambda: Network(
        deeplab, FIXED, a=FIXED.block(4, 8, 4, stride=4, padding=0), b=FIXED.block(6, 4, 1), shared=FIXED.unsigned(),
        branches=nn.ModuleList(FIXED.block(8, 2, 3, dilation=each, padding=each) for each in (1, 2, 4)),
        up=Enlarged(FIXED.unsigned(), 4),
    ),
    "fcn_8": lambda: Network(
        chain, a=nn.Sequential(Bits().block(4, 8, 8, stride=8, padding=0), Bits().conv(8, 4, 1), Bits().signed()),
        b=Enlarged(Bits().signed(), 8),
    ),
    "grouped_4x4_strided": lambda: Network(
        chain, a=Bits().block(4, 8, 3, groups=2), b=Bits().block(8, 8, 4, stride=4, padding=0, groups=4),
        c=nn.Sequential(Nearest(4), Bits().block(8, 4)),
    ),
    "two_levels": _two_levels(Bits(3, 5)),
    "dense": lambda: Network(
        dense, channels=12, a=Bits().block(4, 4), b=Bits().block(8, 4), shared=Bits().unsigned()
    ),
    "sum_of_two_scales": lambda: Network(sum_of_two_scales, a=Bits(4, 5).block(4, 4), out=Bits().unsigned()),
    "join_of_two_scales_fixed": lambda: Network(
        join_of_two_scales, FIXED, channels=8, a=F3A5.block(4, 4), b=FIXED.block(8, 4), out=FIXED.unsigned()
    ),
    "squeeze_and_excitation": lambda: Network(
        chain, a=Bits().block(4, 6), b=ChannelGate(Bits(), 6, nn.Hardsigmoid(), Bits().unsigned()), c=Bits().block(6, 4)
    ),
    "gates_of_eight_bits_fixed": lambda: Network(
        chain, F8A8, a=ChannelGate(F8A8, 4, nn.Sigmoid(), F8A8.unsigned()), b=PixelGate(F8A8, 4, F8A8.unsigned()),
    ),
    "pixel_gate": lambda: Network(
        chain, a=Bits().block(4, 6), b=PixelGate(Bits(), 6, Bits().unsigned()), c=Bits().block(6, 4)
    ),
    "silu_and_gelu": lambda: Network(
        chain, a=activated(Bits(), 4, 6, nn.SiLU(), Bits(4, 5).signed()),
        b=activated(Bits(4, 6), 6, 4, nn.GELU(), Bits().unsigned()), c=Bits().block(4, 4),
    ),
    "hardswish_before_bn_fixed": lambda: Network(
        chain, FIXED, a=activated(F8A8, 4, 6, nn.Hardswish(), FIXED.unsigned(), nn.BatchNorm2d(6)),
        b=FIXED.block(6, 4), c=activated(FIXED, 4, 4, nn.PReLU(4, -0.25), FIXED.unsigned()),
    ),
    "mbconv_silu": lambda: Network(inverted, **mbconv(Bits(4, 5), nn.SiLU(), nn.Sigmoid())),
    "mbconv_hardswish_fixed": lambda: Network(inverted, **mbconv(FIXED, nn.Hardswish(), nn.Hardsigmoid())),
    "mbconv_silu_unsigned": lambda: Network(inverted, **mbconv(W6A7, nn.SiLU(), nn.Sigmoid(), "unsigned")),
    "gelu_and_mish_right_behind_bn": lambda: Network(
        chain, a=curved(Bits(), 4, 6, nn.GELU(), Bits(4, 6).signed()), b=curved(Bits(), 6, 4, nn.Mish(), W6A7.signed()),
        c=curved(Bits(), 4, 4, nn.GELU("tanh"), Bits().unsigned()),
    ),
    "channel_multiplier": lambda: Network(
        chain, a=Bits().block(4, 8, 3, groups=4), b=Bits().block(8, 24, 3, groups=8, stride=2),
        c=nn.Sequential(Bits().block(24, 4, 1), Nearest(2)),
    ),
    "averages_without_padding": lambda: Network(
        chain, a=nn.Sequential(OfValues(nn.AvgPool2d(3, 1, 1, count_include_pad=False)), Bits().unsigned()),
        b=Bits().block(4, 6), c=nn.Sequential(
            OfValues(nn.AvgPool2d(5, 1, 2, count_include_pad=False)), Bits().unsigned(), Bits().block(6, 4)
        ),
    ),
    "averages_cut_by_ceil_mode": lambda: Network(
        chain, a=nn.Sequential(OfValues(nn.AvgPool2d(3, 2, ceil_mode=True)), Bits().unsigned()), b=Bits().block(4, 6),
        c=nn.Sequential(Bits().block(6, 4), Nearest(2)),
    ),
    "pyramid_pooling": lambda: Network(
        pyramid_pooling, channels=10, shared=Bits().unsigned(), branches=nn.ModuleList(
            nn.Sequential(OfValues(nn.AdaptiveAvgPool2d(parts)), Bits().unsigned(), Bits().block(4, 2, 1),
                          Nearest(32 // parts)) for parts in (1, 2, 4)
        ),
    ),
    "spatial_pyramid": lambda: Network(
        spatial_pyramid, shared=Bits().unsigned(), c=Bits().block(12, 4, 1),
        pools=nn.ModuleList(nn.MaxPool2d(side, 1, side // 2) for side in (3, 5)),
    ),
    "five_readers": lambda: _five_readers(FIXED),
    "four_classes": _plain(Bits(), head=Bits().conv(4, 4, 1, weight_bit_width=8)),
    "sixteen_classes_of_seven_slices": _plain(FIXED, inputs=7, head=FIXED.conv(4, 16, 3), pixels=Pixels256),
    "33x47_grey": _plain(Bits(), inputs=1),
    "34x50_one_pooling": _unet(Bits(), unet_of_joins, 8, head=Bits().conv(4, 3, 1)),
}  # fmt: skip
SIZES = {  # others: 32x32
    "w2a2": (32, 48), "sum_fixed": (48, 32), "two_levels": (32, 64), "33x47_grey": (33, 47),
    "34x50_one_pooling": (34, 50), "sixteen_classes_of_seven_slices": (9, 15),
}  # fmt: skip
TRACED_BY_DYNAMO = ("w4a4", "unet_of_sums")  # Brevitas' default; it takes seconds
QCDQ = ("w8a8_fixed", "deeplab_fixed")


def make(name):
    """The network ``name`` in evaluation mode, and the size of its image (H, W)."""
    torch.manual_seed(zlib.crc32(name.encode()))
    network, size = NETWORKS[name](), SIZES.get(name, (32, 32))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.7)
            with torch.no_grad():
                module.weight[::2].neg_()
    inputs = network.stem[0].in_channels
    with torch.no_grad():
        for _ in range(4):
            network.train()(torch.rand(4, inputs, *size))
    return network.eval(), size
