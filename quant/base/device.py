"""The torch devices that a command may be asked to run on."""

from __future__ import annotations

import torch

from quant.base.errors import ConfigError


def computes_in_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether a training in ``precision``, "float32" or "bfloat16", computes in bfloat16 on ``device``."""
    return precision == "bfloat16" and has_bfloat16(device)


def has_bfloat16(device: torch.device) -> bool:
    """Whether convolutions are computed in bfloat16: on a CPU by oneDNN, where it has instructions for them (AVX-512,
    or those of ARM). Elsewhere torch goes through loops of its own, several times slower than float32.
    """
    if device.type != "cpu":
        return True
    if not torch.backends.mkldnn.is_available():
        return False
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()  # noqa: SLF001  (what torch asks before a convolution)


def require_device(device: str) -> None:
    """Raises ConfigError where ``device`` is not cpu, cuda or cuda:N, or asks for a GPU that is not there."""
    try:
        found = torch.device(device)
    except RuntimeError:
        found = None
    if found is None or found.type not in ("cpu", "cuda"):
        raise ConfigError(f"unknown device '{device}'; known: cpu, cuda, cuda:N")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if found.type == "cuda" and (found.index or 0) >= count:
        raise ConfigError(f"device '{device}' is not available here; use --device cpu")
