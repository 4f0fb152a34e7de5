"""Lints all RTL of ours with Verilator: ``python -m hw_build.simulate.lint``; clean or a non-zero exit status.

Every module under ``hw_build/rtl`` and ``hw_build/kernels``, and the wrapper of each kernel's core, is linted as a top
of its own, with its default parameters and all warnings on; the few rules that are waived stand in
``hw_build/rtl/lint.vlt`` with their reasons. Modules are found by file name; packages are read before the modules of
their folder, vendor primitives from the cell library of Yosys.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.errors import BuildError
from hw_build.kernels.axi_stream import read_core, wrapper
from hw_build.simulate.primitives import PROCESSOR_PRIMITIVES, declarations
from hw_build.simulate.toolchain import verilator_root

if TYPE_CHECKING:
    from collections.abc import Sequence

RTL_DIR = Path(__file__).resolve().parents[1] / "rtl"
KERNEL_DIR = RTL_DIR.with_name("kernels")
LIB_DIR = RTL_DIR / "lib"
WAIVERS = RTL_DIR / "lint.vlt"
PACKAGE_SUFFIX = "_pkg"


def lint_top(top: Path, extra: Sequence[Path] = ()) -> str:
    """Verilator's warnings and errors on the module in ``top``, the empty string when there are none."""
    folders = [RTL_DIR / name for name in ("lib", "stream", "shell")]
    folders += sorted({path.parent for path in KERNEL_DIR.rglob("*.sv")})
    return lint(top.stem, [*extra, top], library_folders=folders)


def lint(top_module: str, files: Sequence[Path], *, library_folders: Sequence[Path] = ()) -> str:
    """Verilator's warnings and errors on ``top_module`` and all below it, vendor primitives included."""
    command = [str(verilator_root() / "bin" / "verilator_bin"), "--lint-only", "-Wall"]
    command += ["--top-module", top_module, str(WAIVERS)]
    command += [argument for folder in library_folders for argument in ("-y", str(folder))]
    environment = dict(os.environ, VERILATOR_ROOT=str(verilator_root()))
    with tempfile.TemporaryDirectory(prefix="edgeseg-lint-") as folder:
        primitives = Path(folder, "vendor_primitives.v")
        primitives.write_text(declarations(PROCESSOR_PRIMITIVES))
        command += [str(primitives), *map(str, files)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def lint_wrapper(source: Path) -> str:
    """Verilator's warnings and errors on the AXI-Stream wrapper of the core ``source``; none where it is no core."""
    if not any(source.is_relative_to(folder) for folder in (KERNEL_DIR, LIB_DIR)):
        return ""
    core = read_core(source)
    if not core.inputs:
        return ""
    with tempfile.TemporaryDirectory(prefix="edgeseg-lint-") as folder:
        module, text = wrapper(core, readers=2 if core.forks else 1)
        path = Path(folder, f"{module}.sv")
        path.write_text(text)
        return lint_top(path, [source])


def modules_in(*folders: Path) -> list[Path]:
    """The files of all modules below ``folders``."""
    return sorted(path for folder in folders for path in folder.rglob("*.sv"))


def lint_all(*folders: Path) -> dict[Path, str]:
    """Every module's complaints, by file; only files that have some."""
    complaints = {}
    for top in modules_in(*folders):
        if top.stem.endswith(PACKAGE_SUFFIX):
            continue
        of_shell = top.parent.name in ("ip", "joint")  # their modules use the shell's packages
        folder = top.parent.with_name("shell") if of_shell else top.parent
        own_packages = sorted(folder.glob(f"*{PACKAGE_SUFFIX}.sv"))
        text = lint_top(top, own_packages) or lint_wrapper(top)
        if text:
            complaints[top] = text
    return complaints


def main() -> int:
    """Print all complaints to stderr; 1 when there are any."""
    try:
        complaints = lint_all(RTL_DIR, KERNEL_DIR)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for text in complaints.values():
        print(text, file=sys.stderr)
    files = len(modules_in(RTL_DIR, KERNEL_DIR))
    print(f"rtl lint: {files} files, {len(complaints)} with complaints", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
