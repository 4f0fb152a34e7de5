"""FINN's own RTL nodes as the stitcher sees them: sources and ports, generated without Vivado."""

from hw_build.finn_rtl.adapters import SUPPORTED, rtl_instance

__all__ = ["SUPPORTED", "rtl_instance"]
