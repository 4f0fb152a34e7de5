"""Whether layers compute for a loss: in float32 on a CPU, then, by faster kernels, whose last bits differ from torch's.

What is scored, without gradients, goes through torch's.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

_teachers = 0  # that are asked


def is_for_loss() -> bool:
    """Whether gradients are kept, or a teacher is asked."""
    return torch.is_grad_enabled() or _teachers > 0


@contextmanager
def asking_teacher() -> Iterator[None]:
    """Without gradients, but for a loss."""
    global _teachers
    _teachers += 1
    try:
        with torch.no_grad():
            yield
    finally:
        _teachers -= 1
