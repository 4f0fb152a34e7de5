"""Bench for a FIFO on one AXI-Stream, as RTL or as the netlist of its cells."""

from collections.abc import Mapping

import numpy as np

from hw_build.implement.netlist.cell_models import cell_models
from hw_build.implement.synth.yosys import Cells
from hw_build.kernels.base import RtlInstance, StreamPort
from hw_build.simulate import build
from hw_build.simulate.simulator import Simulator
from hw_build.stitch.stitcher import STREAM_RTL
from tests.rtl.kernel_bench import BUILD_DIR
from tests.rtl.netlist_bench import URAM_MODEL, netlist_of


def port(prefix: str, width: int) -> StreamPort:
    return StreamPort(
        tdata=f"{prefix}_axis_tdata", tvalid=f"{prefix}_axis_tvalid", tready=f"{prefix}_axis_tready",
        width_bits=width, payload_bits=width, element_bits=width,
    )  # fmt: skip


def fifo(module: str, parameters: Mapping[str, int]) -> Simulator:
    """The RTL of ``module``, whose parameter WIDTH is that of its beats."""
    rtl = _instance(module, parameters)
    return build(module, rtl.files, BUILD_DIR, parameters=rtl.parameters, inputs=rtl.inputs, outputs=rtl.outputs)


def fifo_in_cells(module: str, parameters: Mapping[str, int], memory: str, cells: Cells = Cells.XC7) -> Simulator:
    """Its netlist, which has a cell whose name begins with ``memory``."""
    rtl = _instance(module, parameters)
    text = netlist_of(rtl, cells)
    assert memory in text.read_text()
    files = [text, URAM_MODEL, *cell_models(BUILD_DIR)]
    return build(module, files, BUILD_DIR, inputs=rtl.inputs, outputs=rtl.outputs)


def random_beats(width: int, count: int) -> np.ndarray:
    data = np.random.default_rng(count).integers(0, 256, size=(count, (width + 7) // 8), dtype=np.uint8)
    data[:, -1] &= 0xFF >> (-width % 8)
    return data


def _instance(module: str, parameters: Mapping[str, int]) -> RtlInstance:
    return RtlInstance(
        module=module,
        clock="ap_clk",
        reset_n="ap_rst_n",
        files=(STREAM_RTL / f"{module}.sv",),
        parameters={name: str(value) for name, value in parameters.items()},
        inputs=(port("s", parameters["WIDTH"]),),
        outputs=(port("m", parameters["WIDTH"]),),
    )
