"""What files and networks are known by: 64 bits of BLAKE2b, as a signed number, which a tensor of int64 holds."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

from quant.base.checkpoint import load

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_BYTES = 8


def digest_of(*paths: Path) -> int:
    """Of one file or several, one after the other."""
    return _digest(path.read_bytes() for path in paths)


def digest_of_weights(path: Path) -> int:
    """Of the tensors of the network at ``path``: files that were written at different times may hold the same network
    in other bytes.

    Raises:
        CheckpointError: see ``load``.
    """
    state = sorted(load(path, of_volumes=True)["state"].items())
    return _digest(
        part
        for name, tensor in state
        for part in (
            f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode(),
            tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes(),
        )
    )


def _digest(parts: Iterable[bytes]) -> int:
    hashed = hashlib.blake2b(digest_size=_BYTES)
    for part in parts:
        hashed.update(part)
    return int.from_bytes(hashed.digest(), signed=True)
