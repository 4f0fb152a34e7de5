"""Errors that a user of ``quant`` can cause. Each message is one sentence: file or layer, rule, value, remedy."""

from models.errors import ConfigError, EdgesegError

__all__ = ["CheckpointError", "ConfigError", "DataError", "EdgesegError", "ExportError", "GateError"]


class DataError(EdgesegError):
    """A data set folder, list or image is missing, unreadable or of the wrong kind."""


class CheckpointError(EdgesegError):
    """A checkpoint is missing, truncated or of another network."""


class ExportError(EdgesegError):
    """A trained network cannot be written as an exact integer graph."""


class GateError(EdgesegError):
    """A quantized network scores too far below the float one, or its forms disagree."""
