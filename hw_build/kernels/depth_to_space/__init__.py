"""Depth to space (pixel shuffle)."""

from hw_build.kernels.depth_to_space.kernel import DepthToSpace_rtl, depth_to_space_reference

__all__ = ["DepthToSpace_rtl", "depth_to_space_reference"]
