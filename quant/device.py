"""The torch devices that a command may be asked to run on."""

from __future__ import annotations

import torch

from quant.errors import ConfigError


def require_device(device: str) -> None:
    """Raises ConfigError where ``device`` (cpu, cuda, cuda:N) asks for a GPU that is not there."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device '{device}' is not available here; use --device cpu")
