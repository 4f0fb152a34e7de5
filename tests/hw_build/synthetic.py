"""Small quantized networks as QONNX graphs, written node by node with onnx.helper: no torch, every structure that
lowers.

Parameters are drawn from a seeded generator; BN factors take both signs, and each BN shift is moved so that no
threshold comes within a hundredth of an integer accumulator, as the exporter guarantees.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.util.basic import qonnx_make_model

DOMAIN = "qonnx.custom_op.general"
TIE = 2.0**-16


@dataclass
class Net:
    """A network under construction; methods take and return tensor names, activations carry (channels, scale)."""

    seed: int = 0
    weight_bits: int = 4
    act_bits: int = 4
    nodes: list = field(default_factory=list)
    constants: list = field(default_factory=list)
    channels: dict = field(default_factory=dict)
    scales: dict = field(default_factory=dict)

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)

    def const(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(self, op, inputs, name, domain="", **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"n_{name}", domain=domain, **attributes))
        self.channels[name] = self.channels.get(inputs[0])
        return name

    def quant(self, tensor, scale, *, bits=None, signed=0, narrow=0, name=None):
        name = name or f"{tensor}_q"
        bits = bits or self.act_bits
        parts = [self.const(f"{name}_{kind}", value) for kind, value in (("s", scale), ("z", 0.0), ("b", float(bits)))]
        self.node("Quant", [tensor, *parts], name, DOMAIN, signed=signed, narrow=narrow, rounding_mode="ROUND")
        self.scales[name] = scale
        return name

    def image(self, channels=3):
        self.channels["image"] = channels
        return self.quant("image", 2.0**-8, bits=8, name="image_q")

    def weights(self, name, shape, bits):
        limit = 2 ** (bits - 1) - 1
        codes = self.rng.integers(-limit, limit + 1, shape)
        scale = 2.0 ** -(bits - 1)
        self.const(f"{name}_float", codes * scale)
        self.quant(f"{name}_float", scale, bits=bits, signed=1, narrow=1, name=f"{name}_w")
        return f"{name}_w", codes, scale

    def conv_bn(
        self, tensor, out, kernel, name, *, depthwise=False, relu=True, bits=None, scale=2.0**-3, gammas=None,
        group=1, strides=(1, 1), pads=None, dilations=(1, 1), narrow=0,
    ):  # fmt: skip
        """convolution, BN, [Relu], Quant."""
        bits, cin = bits or self.weight_bits, self.channels[tensor]
        group = cin if depthwise else group
        shape = (out, cin // group, kernel, kernel)
        weight, codes, weight_scale = self.weights(name, shape, bits)
        self.node(
            "Conv",
            [tensor, weight],
            f"{name}_conv",
            kernel_shape=[kernel, kernel],
            strides=list(strides),
            pads=[kernel // 2] * 4 if pads is None else pads,
            dilations=list(dilations),
            group=group,
        )
        self.channels[f"{name}_conv"] = out
        step = weight_scale * self.scales[tensor]  # one accumulator step, real
        spread = np.sqrt((codes.reshape(out, -1) ** 2).sum(1) + 1) * step * 5  # some 5 codes deep
        gamma = self.rng.choice([-1.0, 1.0], out) * self.rng.uniform(0.5, 1.5, out) * scale * 8
        gamma = gamma if gammas is None else np.asarray(gammas, float) * scale * 8
        gamma, variance = gamma.astype(np.float32), (spread**2).astype(np.float32)
        gain = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + 1e-5)
        beta = (self.rng.uniform(-1, 2, out) * scale * 2).astype(np.float32).astype(np.float64)
        beta = settle(gain * step, beta, scale, 2**self.act_bits)
        names = [
            self.const(f"{name}_{kind}", value)
            for kind, value in (("g", gamma), ("b", beta), ("m", np.zeros(out)), ("v", variance))
        ]
        current = self.node("BatchNormalization", [f"{name}_conv", *names], f"{name}_bn", epsilon=1e-5)
        if relu:
            current = self.node("Relu", [current], f"{name}_relu")
        return self.quant(current, scale, signed=0 if relu else 1, narrow=narrow, name=f"{name}_act")

    def requantize(self, tensor, scale, *, name, relu=False, **settings):
        """Add(2^-16) [Relu] Quant: what stands after every sum and bilinear output."""
        current = self.node("Add", [tensor, self.const(f"{name}_tie", TIE)], f"{name}_tied")
        if relu:
            current = self.node("Relu", [current], f"{name}_relu")
        return self.quant(current, scale, name=name, **settings)

    def add(self, first, second, scale, *, name, **settings):
        self.node("Add", [first, second], f"{name}_sum")
        return self.requantize(f"{name}_sum", scale, name=name, **settings)

    def residual_depthwise(self, tensor, kernel, name):
        branch = self.conv_bn(
            tensor, self.channels[tensor], kernel, f"{name}_dw", depthwise=True, scale=self.scales[tensor]
        )
        return self.add(tensor, branch, 2 * self.scales[tensor], name=f"{name}_res")

    def pool(self, tensor, name):
        self.scales[name] = self.scales[tensor]
        return self.node("MaxPool", [tensor], name, kernel_shape=[2, 2], strides=[2, 2])

    def upsample(self, tensor, name, scale=None, **settings):
        empty = ""
        scales = self.const(f"{name}_scales", [1, 1, 2, 2])
        self.node(
            "Resize", [tensor, empty, scales], f"{name}_up", mode="linear", coordinate_transformation_mode="half_pixel"
        )
        return self.requantize(f"{name}_up", scale or self.scales[tensor], name=name, **settings)

    def concat(self, first, second, name):
        self.node("Concat", [first, second], name, axis=1)
        self.channels[name] = self.channels[first] + self.channels[second]
        self.scales[name] = self.scales[first]
        return name

    def head(self, tensor, bits=8, classes=1):
        cin = self.channels[tensor]
        weight, _, weight_scale = self.weights("head", (classes, cin, 1, 1), bits)
        step = weight_scale * self.scales[tensor]
        self.const("head_bias", (-37 + 5 * np.arange(classes)) * step)
        self.quant("head_bias", step, bits=32, signed=1, name="head_b")
        self.node("Conv", [tensor, weight, "head_b"], "logits", kernel_shape=[1, 1], pads=[0, 0, 0, 0])
        self.channels["logits"] = classes
        return "logits"

    def model(self, output, height, width, out_channels=None):
        out_channels = out_channels or self.channels[output]
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, self.channels["image"], height, width))
        logits = helper.make_tensor_value_info(output, TensorProto.FLOAT, (1, out_channels, height, width))
        graph = helper.make_graph(self.nodes, "synthetic", [image], [logits], self.constants)
        model = ModelWrapper(qonnx_make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
        return model.transform(InferShapes())


def settle(gain, beta, scale, levels):
    """Shift each beta until no threshold lies within 0.01 (0.001 for 8 bits) of an integer accumulator."""
    margin = 0.01 if levels <= 16 else 0.001
    steps = (np.arange(1, levels) - 0.5) * scale
    result = beta.astype(np.float32).copy()
    for channel in range(len(beta)):
        for shift in range(400):
            candidate = np.float32(beta[channel] + shift * 0.0371 * abs(gain[channel]))
            exact = (steps - np.float64(candidate)) / gain[channel]
            if np.abs(exact - np.round(exact)).min() > margin:
                result[channel] = candidate
                break
        else:
            raise AssertionError(f"channel {channel} does not settle")
    return result


def unet(height=32, width=48, *, seed=0, levels=2, dims=(4, 6, 8), weight_bits=4, act_bits=4):
    """Stem, depthwise residual blocks, pools, bilinear decoders with sum skips, head: the structure of CMUNeXt-XXS."""
    net = Net(seed=seed, weight_bits=weight_bits, act_bits=act_bits)
    current = net.conv_bn(net.image(), dims[0], 3, "stem", bits=8)
    skips = []
    for level in range(levels + 1):
        if level:
            current = net.pool(current, f"pool{level}")
        current = block(net, current, 3 + 2 * level, f"enc{level}")
        current = net.conv_bn(current, dims[level], 3, f"enc{level}_out", scale=2.0**-2)
        skips.append(current)
    for level in reversed(range(levels)):
        current = net.upsample(current, f"up{level}")
        current = net.conv_bn(current, dims[level], 3, f"dec{level}", scale=net.scales[skips[level]])
        current = net.add(current, skips[level], 2.0**-1, name=f"skip{level}", relu=True)
        current = net.conv_bn(current, dims[level], 3, f"fuse{level}", scale=2.0**-2)
        current = net.conv_bn(current, 4 * dims[level], 1, f"exp{level}")
        current = net.conv_bn(current, dims[level], 1, f"red{level}", scale=2.0**-2)
    return net.model(net.head(current), height, width)


def every_kernel(height=16, width=32, *, seed=39):
    """A residual depthwise convolution, a pool, 8-bit codes, an upsampling, a concatenation, a sum and three forks.

    The head's logits have both signs on real images.
    """
    net = Net(seed=seed)
    stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    skip = net.residual_depthwise(stem, 3, "res")
    low = net.conv_bn(net.pool(skip, "pool"), 6, 3, "low", scale=2.0**-2)
    net.act_bits = 8
    wide = net.conv_bn(low, 5, 1, "wide", scale=2.0**-6)
    net.act_bits = 4
    back = net.conv_bn(wide, 4, 3, "back", scale=2.0**-2)
    both = net.concat(net.upsample(back, "up", scale=net.scales[skip]), skip, "both")
    mixed = net.conv_bn(both, 4, 1, "mix", scale=net.scales[skip])
    return net.model(net.head(net.add(mixed, skip, 2.0**-1, name="sum", relu=True)), height, width)


def classes(height=33, width=47, *, seed=7, classes=4, channels=3):
    """Two convolutions and a head of several classes, for images of any size."""
    net = Net(seed=seed)
    stem = net.conv_bn(net.image(channels), 4, 3, "stem", bits=8)
    return net.model(net.head(net.conv_bn(stem, 6, 3, "body", scale=2.0**-2), classes=classes), height, width)


def block(net, tensor, kernel, name):
    current = net.residual_depthwise(tensor, kernel, f"{name}_a")
    current = net.residual_depthwise(current, kernel, f"{name}_b")
    wide = net.conv_bn(current, 4 * net.channels[current], 1, f"{name}_wide")
    return net.conv_bn(wide, net.channels[tensor], 1, f"{name}_thin")


def xxs(height=256, width=256, *, seed=0):
    """The size of cmunext-xxs-hw: dims 8,10,12,16,24, depths 3,1,1,1,2, kernels 3,3,7,7,9; 55 convolutions."""
    dims, depths, kernels = (8, 10, 12, 16, 24), (3, 1, 1, 1, 2), (3, 3, 7, 7, 9)
    net = Net(seed=seed)
    current = net.conv_bn(net.image(), dims[0], 3, "stem", bits=8)
    skips = []
    for level, (dim, depth, kernel) in enumerate(zip(dims, depths, kernels, strict=True)):
        if level:
            current = net.pool(current, f"pool{level}")
        for index in range(depth):
            current = block(net, current, kernel, f"enc{level}_{index}")
        current = net.conv_bn(current, dim, 3, f"enc{level}_out", scale=2.0**-2)
        skips.append(current)
    for level in reversed(range(4)):
        current = net.upsample(current, f"up{level}")
        current = net.conv_bn(current, dims[level], 3, f"dec{level}", scale=net.scales[skips[level]])
        current = net.add(current, skips[level], 2.0**-1, name=f"skip{level}")
        current = net.conv_bn(current, dims[level], 3, f"fuse{level}", scale=2.0**-2)
        current = net.conv_bn(current, 4 * dims[level], 1, f"exp{level}")
        current = net.conv_bn(current, dims[level], 1, f"red{level}", scale=2.0**-2)
    return net.model(net.head(current), height, width)
