"""What one instance of each kernel of data movement, pooling, gates and tables takes, beside FINN's node for the same.

``python -m tests.rtl.kernel_costs docs/results/kernels.json`` synthesises them all, in two minutes; ``python
docs/tables.py`` makes the table of it. An instance works on 4-bit codes of 16 channels, one a beat, unless it says
otherwise. FINN's figures are the estimates of its nodes; most of its HLS nodes have none. Where its node is RTL that
Yosys reads, that is synthesised as well.
"""

import json
import sys
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from finn.custom_op.fpgadataflow.hwcustomop import HWCustomOp
from onnx import helper
from qonnx.custom_op.registry import getCustomOp

from hw_build.finn_rtl import SUPPORTED, rtl_instance
from hw_build.finn_rtl.node import library_folder
from hw_build.implement.synth.cells import Utilization, utilization
from hw_build.implement.synth.yosys import SynthesisError, synthesise
from hw_build.kernels.base import RtlInstance
from hw_build.stitch.stitcher import STREAM_RTL
from tests.hw_build.test_finn_rtl import one_node
from tests.rtl.kernel_bench import rtl_of
from tests.rtl.line_models import lined, straight_thresholds
from tests.rtl.test_code_table import table
from tests.rtl.test_conv import conv_model
from tests.rtl.test_data_movement import HALF, cropped, gathered, zero_padded
from tests.rtl.test_gates import product, repeated, summed
from tests.rtl.test_stream_kernels import model_of
from tests.rtl.test_upsampling import nearest, shuffle
from tests.rtl.test_window_max import greatest
from tests.rtl.test_window_sum import summed as window_sum

PART = "xc7z020clg400-1"
KINDS = {"luts": "lut_estimation", "bram18": "bram_estimation", "dsps": "dsp_estimation"}
C, SIDE = 16, 32
IMAGE = (SIDE, SIDE)


@dataclass(frozen=True)
class Instance:
    """``ours`` and ``finn`` make one-node graphs; ``finn_cores`` maps types of FINN's nodes to modules of its library.

    ``module`` stands in place of ``ours`` where it is no node.
    """

    what: str
    ours: tuple = ()
    finn: tuple = ()
    finn_cores: dict[str, RtlInstance] = field(default_factory=dict)
    module: RtlInstance | None = None
    remark: str = ""


def finn(kind, before, after, x="UINT4", y="UINT4", constants=(), **attributes):
    """Makes a graph of FINN's node ``kind`` for a tensor of the shape ``before``, which gives one of ``after``."""

    def make():
        model = one_node(kind, [1, *before], [1, *after], x, y, constants)
        node = model.graph.node[0]
        node.domain = f"finn.custom_op.fpgadataflow.{kind.rpartition('_')[2]}"
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        return model

    return make


def core(module, files, **parameters):
    """A module of FINN's library."""
    named = {name: str(value) for name, value in parameters.items()}
    return RtlInstance(
        module=module, clock="clk", reset_n="", inputs=(), outputs=(),
        files=tuple(library_folder() / name for name in files), parameters=named,
    )  # fmt: skip


def pool(function, out):
    return finn(
        "Pool_hls", (16, 16, 9 * C), (16, 16, C), y=out, Channels=C, PE=1, KernelSize=[3, 3],
        Function=function, OutImgDims=[16, 16], InputDataType="UINT4", OutputDataType=out, AccumBits=8, Size=9,
    )  # fmt: skip


def window(size, after, channels, simd, stride, kernel=2):
    return finn(
        "ConvolutionInputGenerator_rtl", (size, size, channels), (after, after, kernel * kernel * channels),
        ConvKernelDim=[kernel, kernel], IFMChannels=channels, IFMDim=[size, size], OFMDim=[after, after], SIMD=simd,
        M=1, Stride=[stride, stride], Dilation=[1, 1], inputDataType="UINT4", outputDataType="UINT4", depthwise=0,
        parallel_window=0,
    )  # fmt: skip


def padding(size, channels, pads):
    after = (size + pads[0] + pads[2], size + pads[1] + pads[3], channels)
    return finn(
        "FMPadding_rtl", (size, size, channels), after, ImgDim=[size, size], Padding=pads, NumChannels=channels,
        SIMD=1, inputDataType="UINT4",
    )  # fmt: skip


def padding_core(size, channels, pads):
    """FINN's module with the counter limits that its node gives it."""
    op = getCustomOp(padding(size, channels, pads)().graph.node[0])
    values = op.get_template_values([size, size], pads, channels, 1, op.get_input_datatype())
    kept = {name: value for name, value in values.items() if name not in ("TOP_MODULE_NAME", "STREAM_BITS")}
    return core(
        "fmpadding_axi", [f"fmpadding/hdl/{name}.sv" for name in ("axi2we", "fmpadding", "fmpadding_axi")], **kept
    )


def product_of_matrix(pixels, rows, columns, simd, pe):
    weights = np.random.default_rng(1).integers(-7, 8, (rows, columns))
    return finn(
        "MVAU_rtl", (*pixels, rows), (*pixels, columns), y="INT14", constants=[(weights, "INT4")], MW=rows, MH=columns,
        SIMD=simd, PE=pe, inputDataType="UINT4", weightDataType="INT4", outputDataType="INT14", accDataType="INT14",
        noActivation=1, numInputVectors=[1, *pixels], mem_mode="internal_decoupled", resType="dsp",
    )  # fmt: skip


def thresholds(pixels, channels, x, steps, bits):
    return finn(
        "Thresholding_rtl", (*pixels, channels), (*pixels, channels), x, f"UINT{bits}", [(steps, x)],
        NumChannels=channels, PE=1, numSteps=steps.shape[1], inputDataType=x, weightDataType=x,
        outputDataType=f"UINT{bits}", numInputVectors=[1, *pixels], ActVal=0, runtime_writeable_weights=0,
    )  # fmt: skip


STEPS = straight_thresholds(C, 255, 23.0, -2500)
FEW_STEPS = np.sort(np.random.default_rng(2).integers(-800, 800, (8, 15)))
SHUFFLED = np.arange(C).reshape(2, 8).T.ravel().tolist()
ARGMAX = RtlInstance(
    module="logit_output", clock="ap_clk", reset_n="ap_rst_n", inputs=(), outputs=(),
    files=(STREAM_RTL / "argmax.sv", STREAM_RTL / "logit_output.sv"),
    parameters={"LOGIT_BITS": "14", "SIGNED": "1", "PIXELS": str(SIDE * SIDE), "CLASSES": "4"},
)  # fmt: skip


def requantize():
    graph = model_of(
        "Threshold_rtl", dim=IMAGE, channels=C, x="INT14", constants={1: STEPS}, PE=1, ThresholdRows=C,
        outputDataType="UINT8",
    )  # fmt: skip
    return lined(graph, {}, {"LineBits"})


def elementwise(kind, x, y, out):
    shape = [1, *IMAGE, C]
    return finn(
        kind, (*IMAGE, C), (*IMAGE, C), x, out, lhs_dtype=x, rhs_dtype=y, out_dtype=out, lhs_shape=shape,
        rhs_shape=shape, out_shape=shape, PE=1,
    )  # fmt: skip


INSTANCES = (
    Instance(
        "transposed convolution 2x2, stride 2, 16 to 8 channels, 32x32 to 64x64, 32,768 cycles",
        (
            partial(conv_model, (SIDE, SIDE, C), 32, 1, pe=4, simd=4),
            partial(shuffle, dim=IMAGE, channels=32, PE=1, Block=2),
        ),
        (
            finn(
                "FMPadding_Pixel_hls", (SIDE, SIDE, C), (63, 63, C), ImgDim=[SIDE, SIDE], Stride=[2, 2],
                NumChannels=C, SIMD=C, inputDataType="UINT4",
            ),
            padding(63, C, [1, 1, 1, 1]),
            window(65, 64, C, C, 1),
            product_of_matrix((64, 64), 4 * C, 8, 16, 4),
            thresholds((64, 64), 8, "INT14", FEW_STEPS, 4),
        ),
        finn_cores={"FMPadding_rtl": padding_core(63, C, [1, 1, 1, 1])},
        remark="FINN puts zeros between the pixels and multiplies with them",
    ),
    Instance(
        "nearest upsampling x2, 32x32 to 64x64",
        (partial(nearest, dim=IMAGE, channels=C, PE=1, Factor=2),),
        (
            finn(
                "UpsampleNearestNeighbour_hls", (SIDE, SIDE, C), (64, 64, C), HO=64, WO=64, HI=SIDE, WI=SIDE,
                NumChannels=C, SIMD=1, inputDataType="UINT4",
            ),
        ),
    ),
    Instance(
        "maximum of windows of 3x3, 16x16 of them",
        (partial(greatest, dim=(16, 16), channels=9 * C, PE=1, Taps=9),),
        (pool("MaxPool", "UINT4"),),
        remark="without the windows, which are FINN's in both",
    ),
    Instance(
        "sum of windows of 3x3, 16x16 of them",
        (partial(window_sum, dim=(16, 16), channels=9 * C, PE=1, Taps=9, outputDataType="UINT8"),),
        (pool("AccPool", "UINT8"),),
        remark="without the windows, which are FINN's in both",
    ),
    Instance(
        "sum of a frame, 32x32",
        (partial(summed, dim=IMAGE, channels=C, PE=1, outputDataType="UINT14"),),
        (
            finn(
                "GlobalAccPool_hls", (SIDE, SIDE, C), (1, 1, C), y="UINT14", NumChannels=C, PE=1,
                inputDataType="UINT4", numInputVectors=[1, SIDE, SIDE],
            ),
        ),
    ),
    Instance(
        "product of two streams of 8 bits",
        (partial(product, ["UINT8", "UINT8"], "UINT16", C, 1, dim=IMAGE),),
        (elementwise("ElementwiseMul_hls", "UINT8", "UINT8", "UINT16"),),
    ),
    Instance("channel gate's repetition of a pixel, 8 bits, 32x32 times",
             (partial(repeated, IMAGE, C, 1, pixel=True, x="UINT8"),)),
    Instance(
        "code table, 8 bits to 8 bits",
        (partial(table, ["INT8"], "UINT8", dim=IMAGE, width=C),),
        (
            finn(
                "Lookup_hls", (SIDE, SIDE, C), (SIDE, SIDE, C, 1), "UINT8", "UINT8",
                [(np.arange(256).reshape(256, 1), "UINT8")], NumEmbeddings=256, EmbeddingDim=1,
                EmbeddingType="UINT8", InputType="UINT8", InputShape=[1, SIDE, SIDE, C],
            ),
        ),
        remark="FINN's table is one of embeddings",
    ),
    Instance("code table of a pair of 4-bit codes of two scales, their sum's code",
             (partial(table, ["UINT4", "UINT4"], "UINT4", dim=IMAGE, width=C),)),
    Instance(
        "output stage: logits or index of the largest of 4 of 14 bits, packed to words",
        finn=(
            finn(
                "LabelSelect_hls", (SIDE, SIDE, 4), (SIDE, SIDE, 1), "INT14", "UINT2", Labels=4, PE=1, K=1,
                inputDataType="INT14", outputDataType="UINT2", numInputVectors=[1, SIDE, SIDE],
            ),
        ),
        module=ARGMAX,
        remark="FINN's gives the index alone",
    ),
    Instance(
        "crop, a border of 4 of 32x32",
        (partial(cropped, dim=IMAGE, channels=C, Rows=[4, -4, 1], Columns=[4, -4, 1], Channels=[0, C]),),
        (
            finn(
                "Crop_rtl", (SIDE, SIDE, C), (24, 24, C), DataType="UINT4", ImgDim=[SIDE, SIDE], NumChannels=C,
                CropNorth=4, CropSouth=4, CropWest=4, CropEast=4, SIMD=1,
            ),
        ),
        finn_cores={
            "Crop_rtl": core("crop", ["crop/hdl/crop.sv"], DATA_WIDTH=4, H=SIDE, W=SIDE, CF=C, CROP_N=4, CROP_E=4,
                             CROP_S=4, CROP_W=4),
        },
    ),
    Instance("slice, every second row and column of 32x32",
             (partial(cropped, dim=IMAGE, channels=C, **HALF, Channels=[0, C]),)),
    Instance(
        "gather of channels, a shuffle of two groups",
        (partial(gathered, dim=IMAGE, channels=C, Index=SHUFFLED),),
        (
            finn(
                "InnerShuffle_rtl", (SIDE * SIDE, 2, 8), (SIDE * SIDE, 8, 2), data_type="UINT4",
                in_shape=[1, SIDE, SIDE, C], transpose_in_shape=[SIDE * SIDE, 2, 8], SIMD=1,
            ),
        ),
        finn_cores={
            "InnerShuffle_rtl": core(
                "inner_shuffle",
                [*(f"inner_shuffle/{name}.sv" for name in ("inner_shuffle", "skid", "elasticmem")), "fifo/hdl/fifo.sv"],
                BITS=4, I=2, J=8, SIMD=1,
            ),
        },
        remark="FINN's has transpositions only",
    ),
    Instance("pixel shuffle by 2, 32x32x64 to 64x64x16", (partial(shuffle, dim=IMAGE, channels=4 * C, PE=1, Block=2),),
             remark="FINN's Shuffle of axes, in HLS, was not compared"),
    Instance("pixel unshuffle by 2, 32x32x16 to 16x16x64", finn=(window(SIDE, SIDE // 2, C, 1, 2),),
             remark="FINN's node itself"),
    Instance(
        "zero padding by 1, 32x32",
        (partial(zero_padded, dim=IMAGE, channels=C, Padding=[1] * 4),),
        (padding(SIDE, C, [1, 1, 1, 1]),),
        finn_cores={"FMPadding_rtl": padding_core(SIDE, C, [1, 1, 1, 1])},
        remark="FINN's lets the next frame's zeros out before that has come",
    ),
    Instance(
        "requantization of 14 bits to 8 bits, a line for each channel",
        (requantize,),
        (thresholds(IMAGE, C, "INT14", STEPS, 8),),
        remark="FINN searches in 255 thresholds a channel",
    ),
)  # fmt: skip


def modelled(instance):
    """Our models' sums; None where there is no node of ours."""
    ops = [getCustomOp(make().graph.node[0]) for make in instance.ours]
    return {name: sum(getattr(op, way)(PART) for op in ops) for name, way in KINDS.items()} if ops else None


def estimated(instance):
    """FINN's sums of what its nodes estimate, and of which kind none of them estimates anything."""
    ops = [getCustomOp(make().graph.node[0]) for make in instance.finn]
    found = {}
    for name, way in KINDS.items():
        own = [op for op in ops if getattr(type(op), way) is not getattr(HWCustomOp, way)]
        found[name] = round(sum(getattr(op, way)(PART) for op in own)) if own else None
    return found


def used(instances):
    """What Yosys makes of them, together; None where there are none."""
    if not instances:
        return None
    total = Utilization()
    for each in instances:
        total += utilization(synthesise(each.module, each.files, each.parameters))
    return {"luts": total.luts, "ffs": total.ffs, "bram18": total.bram18, "dsps": total.dsps}


def finn_used(instance, folder):
    """What Yosys makes of FINN's RTL, and the nodes that are HLS, or RTL that Yosys does not read."""
    found, left_out = [], []
    for make in instance.finn:
        model = make()
        (node,) = model.graph.node
        adapts = node.op_type in SUPPORTED
        rtl = rtl_instance(node, model, folder) if adapts else instance.finn_cores.get(node.op_type)
        try:
            used_here = used([rtl] if rtl else [])
        except SynthesisError:
            used_here = None
        if used_here is None:
            left_out.append(node.op_type)
        else:
            found.append(used_here)
    return {name: sum(each[name] for each in found) for name in found[0]} if found else None, left_out


def measured(instance, folder):
    """All figures of an instance."""
    ours = [instance.module] if instance.module else [rtl_of(make()) for make in instance.ours]
    rtl, left_out = finn_used(instance, folder)
    return {
        "what": instance.what,
        "ours": [make().graph.node[0].op_type.removesuffix("_rtl") for make in instance.ours],
        "used": used(ours),
        "modelled": modelled(instance),
        "finn": [make().graph.node[0].op_type for make in instance.finn],
        "finn_estimated": estimated(instance) if instance.finn else None,
        "finn_used": rtl,
        "finn_left_out": left_out,
        "remark": instance.remark,
    }


def main(path):
    """Writes all figures to ``path``."""
    with tempfile.TemporaryDirectory() as folder:
        figures = [measured(instance, Path(folder, str(n))) for n, instance in enumerate(INSTANCES)]
    Path(path).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
