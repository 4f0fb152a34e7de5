"""Seeds that a user may give: those that torch, numpy and Optuna all take."""

from __future__ import annotations

from quant.base.errors import ConfigError

_SEEDS = range(1 << 32)


def require_seed(seed: int, option: str = "--seed") -> None:
    """ConfigError unless ``seed``, given by ``option``, is one that every generator takes."""
    if seed not in _SEEDS:
        raise ConfigError(f"{option} must be 0 to {_SEEDS.stop - 1}, got {seed}")
