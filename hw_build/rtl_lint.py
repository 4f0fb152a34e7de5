"""Lints every RTL top of ours with Verilator: ``python -m hw_build.rtl_lint``; clean or a non-zero exit status.

All warnings are on and none is waived here. Each ``*_axi.sv`` under ``hw_build/rtl`` is a top of its own, linted with
its default parameters; Verilator finds the modules it uses by file name.
"""

from __future__ import annotations

from pathlib import Path

RTL_DIR = Path(__file__).resolve().parent / "rtl"


def lint_tops(rtl_dir: Path = RTL_DIR) -> list[Path]:
    """The files whose module, named as the file, is linted as a top."""
    return sorted([*rtl_dir.glob("*_axi.sv"), *rtl_dir.glob("*/*.sv")])
