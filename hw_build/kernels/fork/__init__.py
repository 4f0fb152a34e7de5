"""Copies of a stream."""

from hw_build.kernels.fork.kernel import StreamFork_rtl, fork_reference

__all__ = ["StreamFork_rtl", "fork_reference"]
