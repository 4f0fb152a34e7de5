"""The whole device in SystemVerilog, from the stand-in accelerator to the pins of its processing system."""

from shell_bench import BUILD_DIR, CORE, ShellBench

from hw_build.base.board_config import Family
from hw_build.implement.board_sim.device import build_device
from hw_build.implement.shell.generate import PROCESSOR_MODULES, shell_sources, stream_sources, top_text
from hw_build.implement.shell.system import System
from hw_build.simulate.lint import RTL_DIR


def device_bench(made: System, family: Family, **options) -> ShellBench:
    """The device of ``made`` with the processor of ``family`` (built or found built), out of reset."""
    module = PROCESSOR_MODULES[family]
    sources = [*shell_sources(), RTL_DIR / "shell" / f"{module}.sv", *stream_sources(), *CORE]
    library = build_device(family, sources, BUILD_DIR, texts=[made.text(), top_text(module)], name=module)
    return ShellBench(made, library, **options)
