"""What a process frees, it keeps for itself: a training step takes hundreds of large tensors, and takes them again.

By default glibc gives each block above a threshold (128 KiB to 32 MiB) back to the system, which clears its pages when
they are taken again. See ``mallopt`` (3) of Linux.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # parameters of mallopt
_NEVER, _NO_BLOCK = -1, 0


def keep_freed_memory() -> None:
    """For the rest of this process, where its C library can do it (glibc); elsewhere nothing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, _NO_BLOCK)
        mallopt(_TRIM_THRESHOLD, _NEVER)
