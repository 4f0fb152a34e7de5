"""The whole device on the simulated board: edgeseg_top, with models of the processing system's primitive in its place.

The model of PS7 or PS8 is Yosys' declaration of it; its pins are tied to the ports of ``sim_top`` from outside, each to
the one that AXI calls the same. What is narrower at the primitive is cut there, as in the device.
"""

from shell_bench import BUILD_DIR, CORE, ShellBench

from hw_build.board_sim.build import DRIVER, MEMORY, SIM_TOP
from hw_build.rtl_lint import RTL_DIR
from hw_build.shell.generate import SHELL_TOP, shell_sources, stream_sources, top_text
from hw_build.shell.system import System
from hw_build.sim.build import build_library
from hw_build.synth.primitives import declarations

# module of hw_build/rtl/shell -> primitive, clock buffer, memory port, pin of the clock, pin of the reset, interrupt
PROCESSORS = {
    "zynq7000_ps": ("PS7", "BUFG", "SAXIHP0", "FCLKCLK", "FCLKRESETN", "IRQF2P[0]"),
    "zynqmp_ps": ("PS8", "BUFG_PS", "SAXIGP2", "PLCLK", "EMIOGPIOO", "PLPSIRQ0[0]"),
}
_REQUEST = (
    *("awvalid", "awid", "awaddr", "awlen", "awsize", "awburst", "wvalid", "wdata", "wstrb", "wlast", "bready"),
    *("arvalid", "arid", "araddr", "arlen", "arsize", "arburst", "rready"),
)
_REPLY = ("awready", "wready", "bvalid", "bid", "bresp", "arready", "rvalid", "rid", "rdata", "rresp", "rlast")


def device_bench(made: System, processor: str, **options) -> ShellBench:
    """The device of ``made`` with that processor (built or found built), out of reset."""
    primitive, buffer, memory, clock, reset, irq = PROCESSORS[processor]
    reset_value = "{96{rst_n}}" if primitive == "PS8" else "{4{rst_n}}"
    request = [*_REQUEST, "wid"] if primitive == "PS7" else _REQUEST  # AXI4 has no WID
    pin = "dut.ps.ps."
    lines = [
        f"{SHELL_TOP} dut ();",
        f"assign {pin}{clock} = {{4{{clk}}}};",
        f"assign {pin}{reset} = {reset_value};",
        f"assign irq = {pin}{irq};",
        "assign busy = dut.system.busy;",
        *(f"assign {pin}MAXIGP0{name.upper()} = c_{name};" for name in request),
        *(f"assign c_{name} = {pin}MAXIGP0{name.upper()};" for name in _REPLY),
        *(f"assign m_{name} = {pin}{memory}{name.upper()};" for name in request),
        *(f"assign {pin}{memory}{name.upper()} = m_{name};" for name in _REPLY),
    ]
    ports, _, _ = SIM_TOP.read_text().partition(");\n")
    sim_top = "\n  ".join([f"{ports});", *lines]) + "\nendmodule\n`default_nettype wire\n"
    buffer_model = f"module {buffer} (input wire I, output wire O); assign O = I; endmodule\n"
    texts = [declarations((primitive,)), buffer_model, made.text(), top_text(processor), sim_top]
    library = build_library(
        processor, [*shell_sources(), RTL_DIR / "shell" / f"{processor}.sv", *stream_sources(), *CORE], BUILD_DIR,
        driver=DRIVER, generated={"sim_top.sv": "".join(texts), MEMORY.name: MEMORY.read_text()},
    )  # fmt: skip
    return ShellBench(made, library, **options)
