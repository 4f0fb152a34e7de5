"""Bench for one kernel as Yosys maps it: the netlist of its RTL, of xc7 or xcup, simulated with models of the cells.

Same node, same frames, same patterns as ``KernelBench``; what differs is that the simulator runs LUTs, carry chains,
DSP48E1 and memories instead of the sources.
"""

import hashlib
import json
import tempfile
from pathlib import Path

from hw_build.implement.netlist.cell_models import cell_models
from hw_build.implement.synth.yosys import Cells, synthesise, yosys_version
from hw_build.kernels.base import RtlInstance
from hw_build.simulate import build
from hw_build.simulate.simulator import Simulator
from tests.rtl.kernel_bench import BUILD_DIR, KernelBench

URAM_MODEL = Path(__file__).with_name("uram288.sv")


class NetlistBench(KernelBench):
    """``KernelBench`` on the netlist of the kernel; for small instances, since a cell costs what a line of RTL does."""

    cells = Cells.XC7

    def simulator_of(self, rtl: RtlInstance) -> Simulator:
        """The simulator of ``self.netlist``; parameters are in it already."""
        self.netlist = netlist_of(rtl, self.cells)
        files = [self.netlist, URAM_MODEL, *cell_models(BUILD_DIR)]
        return build(rtl.module, files, BUILD_DIR, inputs=rtl.inputs, outputs=rtl.outputs)


class UltraScaleNetlistBench(NetlistBench):
    """The same in cells of UltraScale+."""

    cells = Cells.XCUP


def netlist_of(rtl: RtlInstance, cells: Cells = Cells.XC7) -> Path:
    """The kernel's netlist, synthesised unless one of the same sources, parameters and Yosys is there."""
    digest = hashlib.sha256(json.dumps([yosys_version(), cells, rtl.module, rtl.parameters]).encode())
    for path in rtl.files:
        digest.update(path.read_bytes())
    path = BUILD_DIR / "netlists" / f"{rtl.module}-{digest.hexdigest()[:16]}.v"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            partial = Path(folder, path.name)
            synthesise(rtl.module, rtl.files, rtl.parameters, netlist=partial, cells=cells)
            partial.replace(path)
    return path
