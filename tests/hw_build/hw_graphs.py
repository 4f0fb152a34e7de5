"""Small hardware graphs made by hand, for tests of the stitcher: random weights, exact thresholds."""

import numpy as np
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import qonnx_make_model

FINN = "finn.custom_op.fpgadataflow.rtl"
OURS = "hw_build.kernels"


class GraphBuilder:
    """Appends hardware nodes one after another; every method takes a tensor name and returns the one it made."""

    def __init__(self, height, width, channels=3, seed=0):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants, self.counts = [], {}, {}
        self.shapes = {"global_in": (1, height, width, channels)}
        self.types = {"global_in": "UINT8"}

    def node(self, op_type, inputs, shapes, types, domain=OURS, constants=(), **attributes):
        """Add a node; returns its output tensors. ``constants`` are (array, datatype)."""
        number = self.counts[op_type] = self.counts.get(op_type, -1) + 1
        name = f"{op_type}_{number}"
        names = [f"{name}_c{i}" for i in range(len(constants))]
        for constant, (array, datatype) in zip(names, constants, strict=True):
            self.constants[constant] = (array, datatype)
        outputs = [f"{name}_out{i}" for i in range(len(shapes))]
        if domain == FINN:
            attributes["exec_mode"] = "cppsim"
        self.nodes.append(
            helper.make_node(
                op_type, [*inputs, *names], outputs, name=name, domain=domain, backend="fpgadataflow", **attributes
            )
        )
        for output, shape, datatype in zip(outputs, shapes, types, strict=True):
            self.shapes[output], self.types[output] = tuple(shape), datatype
        return outputs

    def dense(self, x, out_channels, *, kernel=1, simd=1, pe=1, swg_simd=1, weight_bits=4):
        """[padding, FINN's sliding window,] products: sums of a KxK convolution."""
        _, height, width, channels = self.shapes[x]
        datatype = self.types[x]
        if kernel > 1:
            pad = kernel // 2
            padded = (1, height + 2 * pad, width + 2 * pad, channels)
            [x] = self.ours("ZeroPad_rtl", [x], [padded], [datatype], PE=swg_simd, Padding=[pad] * 4)
            [x] = self.node(
                "ConvolutionInputGenerator_rtl", [x], [(1, height, width, kernel**2 * channels)], [datatype], FINN,
                ConvKernelDim=[kernel] * 2, IFMChannels=channels, IFMDim=list(padded[1:3]), OFMDim=[height, width],
                SIMD=swg_simd, M=1, Stride=[1, 1], Dilation=[1, 1], inputDataType=datatype, outputDataType=datatype,
                depthwise=0,
            )  # fmt: skip
        depth = kernel**2 * channels
        limit = 2 ** (weight_bits - 1) - 1
        weights = self.rng.integers(-limit, limit + 1, size=(depth, out_channels))
        acc = f"INT{1 + int(np.ceil(np.log2(depth * limit * DataType[datatype].max() + 1)))}"
        [y] = self.ours(
            "ConvThreshold_rtl", [x], [(1, height, width, out_channels)], [acc],
            [(weights.T.reshape(out_channels, 1, 1, depth), f"INT{weight_bits}"), (np.zeros(out_channels), acc)],
            OutChannels=out_channels, KernelDim=1, SIMD=simd, PE=pe, NarrowWeights=1, Raw=1,
            weightDataType=f"INT{weight_bits}", accDataType=acc, outputDataType=acc,
        )  # fmt: skip
        return y

    def threshold(self, x, *, pe=1, spread=0.1):
        """15 thresholds per channel -> UINT4."""
        channels, datatype = self.shapes[x][-1], self.types[x]
        limit = int(DataType[datatype].max() * spread)
        low = -limit // 4 if DataType[datatype].signed() else 1
        steps = np.sort(self.rng.integers(low, limit + 1, size=(channels, 15)), axis=1)
        [y] = self.ours(
            "Threshold_rtl", [x], [self.shapes[x]], ["UINT4"], [(steps, datatype)], PE=pe, ThresholdRows=channels,
            outputDataType="UINT4",
        )  # fmt: skip
        return y

    def ours(self, op_type, inputs, shapes, types, constants=(), **attributes):
        """One of our kernels with the attributes that all of them have."""
        _, height, width, channels = self.shapes[inputs[0]]
        common = {"ImgDim": [height, width], "NumChannels": channels, "inputDataType": self.types[inputs[0]]}
        return self.node(op_type, inputs, shapes, types, OURS, constants, **{**common, **attributes})

    def fork(self, x, *, pe=1):
        """Two copies."""
        return self.ours("StreamFork_rtl", [x], [self.shapes[x]] * 2, [self.types[x]] * 2, PE=pe, NumOutputs=2)

    def add(self, x, y, *, pe=1):
        """Sum of two streams of the same unsigned type, one more bit."""
        bits = DataType[self.types[x]].bitwidth() + 1
        [z] = self.ours(
            "StreamAdd_rtl", [x, y], [self.shapes[x]], [f"UINT{bits}"], PE=pe, inputDataType2=self.types[y],
            outputDataType=f"UINT{bits}",
        )  # fmt: skip
        return z

    def depthwise(self, x, *, kernel=3, pe=1, simd=1):
        """Depthwise convolution with a fused residual, UINT4."""
        channels = self.shapes[x][-1]
        weights = self.rng.integers(-7, 8, size=(channels, kernel, kernel))
        steps = np.sort(self.rng.integers(-40 * kernel, 60 * kernel, size=(channels, 15)), axis=1)
        sums = np.arange(1, 31, 2)[None, :]
        [y] = self.ours(
            "DepthwiseConv_rtl", [x], [self.shapes[x]], ["UINT4"],
            [(weights, "INT4"), (steps, "INT16"), (sums, "UINT5")], KernelDim=kernel, PE=pe, SIMD=simd, Residual=1,
            weightDataType="INT4", accDataType="INT16", convDataType="UINT4", outputDataType="UINT4",
        )  # fmt: skip
        return y

    def bias(self, x, value):
        """Adds one integer to a single channel; the type stays."""
        bits = DataType[self.types[x]].bitwidth() + 1
        [y] = self.ours(
            "ChannelBias_rtl", [x], [self.shapes[x]], [f"INT{bits}"], [(np.array([value]), f"INT{bits}")], PE=1,
            outputDataType=f"INT{bits}",
        )  # fmt: skip
        return y

    def max_pool(self, x, *, pe=1):
        """2x2, stride 2."""
        _, height, width, channels = self.shapes[x]
        [y] = self.ours("MaxPool2x2_rtl", [x], [(1, height // 2, width // 2, channels)], [self.types[x]], PE=pe)
        return y

    def upsample(self, x, *, pe=1):
        """Bilinear x2, four more bits."""
        _, height, width, channels = self.shapes[x]
        bits = DataType[self.types[x]].bitwidth() + 4
        [y] = self.ours("BilinearUpsample_rtl", [x], [(1, 2 * height, 2 * width, channels)], [f"UINT{bits}"], PE=pe)
        return y

    def model(self, output):
        """The finished graph; ``output`` becomes global_out."""
        for node in self.nodes:
            node.output[:] = ["global_out" if t == output else t for t in node.output]
        self.shapes["global_out"], self.types["global_out"] = self.shapes.pop(output), self.types.pop(output)
        info = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, s) for name, s in self.shapes.items()}
        graph = helper.make_graph(self.nodes, "hardware", [info.pop("global_in")], [info.pop("global_out")])
        graph.value_info.extend(info.values())
        model = ModelWrapper(qonnx_make_model(graph))
        for name, (array, datatype) in self.constants.items():
            model.set_initializer(name, np.asarray(array, np.float32))
            model.set_tensor_datatype(name, DataType[datatype])
        for name, datatype in self.types.items():
            model.set_tensor_datatype(name, DataType[datatype])
        return model
