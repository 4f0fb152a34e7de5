"""Checkpoints: one file of tensors and plain values, written under its final name only when complete.

Keys: ``format``, ``model`` (registered name), ``quant`` (None for float, else the quantization as a dict), ``size``,
``classes`` (logits a pixel; 1 where it is absent), ``untrained`` (True where nothing was learned; absent otherwise),
``normalisation`` ("code/256"), ``state`` (network), and while training ``optimiser``, ``epoch``, ``run``.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from quant.errors import CheckpointError
from quant.replace_file import replace_file

FORMAT = 1
NORMALISATION = "code/256"


def save(path: Path, checkpoint: dict[str, Any]) -> None:
    """Writes ``checkpoint`` to ``path`` in one step: a reader sees the old file or the new one, never half of it."""
    content = {"format": FORMAT, "normalisation": NORMALISATION, **checkpoint}
    buffer = io.BytesIO()  # torch itself tells a full disk by a RuntimeError
    torch.save(content, buffer)
    replace_file(Path(path), lambda partial: partial.write_bytes(buffer.getbuffer()))


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU.

    Raises:
        CheckpointError: missing, truncated, or not one of ours.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint '{path}' does not exist; train one with `python -m quant train`")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"checkpoint '{path}' is truncated or not a checkpoint ({reason}); fetch it again"
        ) from None
    if not isinstance(checkpoint, dict) or checkpoint.get("format") != FORMAT:
        raise CheckpointError(f"'{path}' is not an edgeseg checkpoint of format {FORMAT}; train or export it again")
    return checkpoint
