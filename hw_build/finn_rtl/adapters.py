"""One adapter per FINN RTL node: node -> RtlInstance, its generated sources and memory contents in a given folder.

FINN computes all parameter values (``get_template_values``, ``prepare_codegen_*``, ``generate_hdl``); only Vivado's IP
packaging around them is left out: library modules are instantiated directly. FINN pads every stream to whole bytes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from finn.util.exception import FINNUserError
from finn.util.settings import get_settings, initialize_dummy_settings
from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.util.basic import roundup_to_integer_multiple

from hw_build.errors import BuildError, ConfigError
from hw_build.kernels.base import RtlInstance, StreamPort

FPGA_PART = "xc7z020clg400-1"
CLOCK_PERIOD_NS = 10.0
RTL_DIR = Path(__file__).parents[1] / "rtl"


def rtl_instance(node: NodeProto, model: ModelWrapper, code_gen_dir: Path, fpga_part: str = FPGA_PART) -> RtlInstance:
    """Describe a FINN RTL node; generated sources and memory contents go to ``code_gen_dir``.

    The node itself is not changed. Raises ConfigError when FINN refuses the node's attributes.
    """
    adapter = SUPPORTED.get(node.op_type)
    if adapter is None:
        raise BuildError(
            f"{node.name}: FINN node type {node.op_type} has no adapter, supported are {', '.join(sorted(SUPPORTED))}"
        )
    _library_folder()
    code_gen_dir.mkdir(parents=True, exist_ok=True)
    custom_op = getCustomOp(copy.deepcopy(node))
    custom_op.set_nodeattr("code_gen_dir_ipgen", str(code_gen_dir))
    try:
        return adapter(custom_op, model, code_gen_dir, fpga_part)
    except (FINNUserError, AssertionError, ValueError) as error:
        raise ConfigError(f"{node.name} ({node.op_type}): FINN refuses it: {' '.join(str(error).split())}") from error


@lru_cache(maxsize=1)
def _library_folder() -> Path:
    """FINN's RTL library; outside its own command line FINN has no settings until asked to make some."""
    try:
        return Path(get_settings().finn_rtllib)
    except FINNUserError:
        initialize_dummy_settings()
        return Path(get_settings().finn_rtllib)


def _library(*names: str) -> tuple[Path, ...]:
    return tuple(_library_folder() / name for name in names)


def _port(prefix: str, elements: int, element_bits: int, *, tdata: str = "_tdata") -> StreamPort:
    """A FINN stream port: ``elements`` of ``element_bits``, padded to bytes."""
    upper = tdata.isupper()
    return StreamPort(
        tdata=prefix + tdata,
        tvalid=prefix + ("_TVALID" if upper else "_tvalid"),
        tready=prefix + ("_TREADY" if upper else "_tready"),
        width_bits=roundup_to_integer_multiple(elements * element_bits, 8),
        payload_bits=elements * element_bits,
        element_bits=element_bits,
    )


def _padding(op, model: ModelWrapper, code_gen_dir: Path, fpga_part: str) -> RtlInstance:
    """FMPadding_rtl: fmpadding_axi with FINN's own counter limits; its AXI-Lite port stays unconnected."""
    datatype, simd = op.get_input_datatype(), op.get_nodeattr("SIMD")
    values = op.get_template_values(
        op.get_nodeattr("ImgDim"), op.get_nodeattr("Padding"), op.get_nodeattr("NumChannels"), simd, datatype
    )
    parameters = {k: str(v) for k, v in values.items() if k not in ("TOP_MODULE_NAME", "STREAM_BITS")}
    return RtlInstance(
        module="fmpadding_axi",
        clock="ap_clk",
        reset_n="ap_rst_n",
        inputs=(_port("s_axis", simd, datatype.bitwidth()),),
        outputs=(_port("m_axis", simd, datatype.bitwidth()),),
        files=_library("fmpadding/hdl/axi2we.sv", "fmpadding/hdl/fmpadding.sv", "fmpadding/hdl/fmpadding_axi.sv"),
        parameters=parameters,
        origin="finn",
    )


def _sliding_window(op, model: ModelWrapper, code_gen_dir: Path, fpga_part: str) -> RtlInstance:
    """ConvolutionInputGenerator_rtl: FINN generates a module of its own per node."""
    op.generate_hdl(model, fpga_part, CLOCK_PERIOD_NS)
    bits = op.get_input_datatype().bitwidth()
    return RtlInstance(
        module=op.get_nodeattr("gen_top_module"),
        clock="ap_clk",
        reset_n="ap_rst_n",
        inputs=(_port("in0_V", op.get_instream_width() // bits, bits, tdata="_TDATA"),),
        outputs=(_port("out0_V", op.get_outstream_width() // bits, bits, tdata="_TDATA"),),
        files=tuple(Path(f) for f in op.get_rtl_file_list(abspath=True)),
        origin="finn",
    )


def _matrix_vector(op, model: ModelWrapper, code_gen_dir: Path, fpga_part: str) -> RtlInstance:
    """MVAU_rtl without activation: FINN's mvu_vvu_axi fed from our weight ROM (mvau_stream.sv)."""
    name = op.onnx_node.name
    if not op.get_nodeattr("noActivation"):
        raise ConfigError(f"{name}: MVAU_rtl must have noActivation=1: give the thresholds a Thresholding_rtl node")
    for attribute, required in (("pumpedCompute", 0), ("TH", 1), ("runtime_writeable_weights", 0)):
        if op.get_nodeattr(attribute) != required:
            raise ConfigError(
                f"{name}: {attribute}={op.get_nodeattr(attribute)} is not supported, set it to {required}"
            )
    weights = model.get_initializer(op.onnx_node.input[1])
    if weights is None:
        raise ConfigError(f"{name}: its weights are no initializer: only constant weights can be put into a ROM")
    weight_type = op.get_input_datatype(1)
    if not np.vectorize(weight_type.allowed)(weights).all():
        raise ConfigError(
            f"{name}: weights {weights.min():g} to {weights.max():g} do not fit {weight_type}, lower the graph again"
        )
    values = {k.strip("$"): v[0] for k, v in op.prepare_codegen_default(fpga_part, CLOCK_PERIOD_NS)[1].items()}
    kept = ("VERSION", "MW", "MH", "PE", "SIMD", "ACTIVATION_WIDTH", "WEIGHT_WIDTH", "ACCU_WIDTH", "SIGNED_ACTIVATIONS")
    weight_file = code_gen_dir / f"{name}_weights.dat"
    op.make_weight_file(weights, "decoupled_verilog_dat", str(weight_file))
    parameters = {key: values[key] for key in kept}
    parameters["NARROW_WEIGHTS"] = str(int(weights.min() > weight_type.min()))
    parameters["WEIGHT_FILE"] = f'"{weight_file}"'
    parameters["RAM_STYLE"] = f'"{op.get_nodeattr("ram_style")}"'
    return RtlInstance(
        module="mvau_stream",
        clock="ap_clk",
        reset_n="ap_rst_n",
        inputs=(_port("s_axis", op.get_nodeattr("SIMD"), op.get_input_datatype(0).bitwidth()),),
        outputs=(_port("m_axis", op.get_nodeattr("PE"), op.get_output_datatype().bitwidth()),),
        files=(
            *_library(
                "mvu/mvu_pkg.sv", "mvu/replay_buffer.sv", "mvu/mvu.sv", "mvu/mvu_vvu_8sx9_dsp58.sv",
                "mvu/mvu_vvu_axi.sv",
            ),
            RTL_DIR / "finn" / "add_multi.sv",
            RTL_DIR / "stream" / "weight_rom.sv",
            RTL_DIR / "finn" / "mvau_stream.sv",
            weight_file,
        ),
        parameters=parameters,
        origin="finn",
    )  # fmt: skip


def _thresholding(op, model: ModelWrapper, code_gen_dir: Path, fpga_part: str) -> RtlInstance:
    """Thresholding_rtl: thresholding_axi without AXI-Lite; one contents file per PE and stage of the binary search."""
    values = {k.strip("$"): v[0] for k, v in op.prepare_codegen_rtl_values(model).items()}
    dropped = ("MODULE_NAME_AXI_WRAPPER", "TOP_MODULE", "O_BITS", "THRESHOLDS_PATH")
    parameters = {k: v for k, v in values.items() if k not in dropped}
    parameters["THRESHOLDS_PATH"] = f'"{code_gen_dir}/{op.onnx_node.name}_"'
    output_bits = op.get_output_datatype().bitwidth()
    if int(values["O_BITS"]) != output_bits:
        raise ConfigError(
            f"{op.onnx_node.name}: {values['N']} thresholds give {values['O_BITS']} bits, its output datatype "
            f"{op.get_output_datatype()} has {output_bits}: make them agree"
        )
    pe, stages = op.get_nodeattr("PE"), range(output_bits)
    contents = [code_gen_dir / f"{op.onnx_node.name}_threshs_{p}_{s}.dat" for s in stages for p in range(pe)]
    return RtlInstance(
        module="thresholding_axi",
        clock="ap_clk",
        reset_n="ap_rst_n",
        inputs=(_port("s_axis", pe, op.get_input_datatype(0).bitwidth()),),
        outputs=(_port("m_axis", pe, output_bits),),
        files=(
            *_library("axi/hdl/axilite.sv", "thresholding/hdl/thresholding.sv", "thresholding/hdl/thresholding_axi.sv"),
            *contents,
        ),
        parameters=parameters,
        origin="finn",
    )


SUPPORTED: dict[str, Callable[..., RtlInstance]] = {
    "FMPadding_rtl": _padding,
    "ConvolutionInputGenerator_rtl": _sliding_window,
    "MVAU_rtl": _matrix_vector,
    "Thresholding_rtl": _thresholding,
}
