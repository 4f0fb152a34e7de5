"""Copies of a stream."""

from hw_build.kernels.fork.kernel import MAX_OUTPUTS, StreamFork_rtl, fork_reference

__all__ = ["MAX_OUTPUTS", "StreamFork_rtl", "fork_reference"]
