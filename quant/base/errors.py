"""Errors that a user of ``quant`` can cause. Each message is one sentence: file or layer, rule, value, remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

from board.errors import InputError
from models.errors import ConfigError, EdgesegError

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "EdgesegError",
    "ExportError",
    "GateError",
    "TimeUp",
    "TrainingError",
    "as_data_error",
]


class DataError(EdgesegError):
    """A data set folder, list or image is missing, unreadable or of the wrong kind."""


class CheckpointError(EdgesegError):
    """A checkpoint is missing, truncated or of another network."""


class TrainingError(EdgesegError):
    """A training does not arrive anywhere."""


class ExportError(EdgesegError):
    """A trained network cannot be written as an exact integer graph."""


class GateError(EdgesegError):
    """A quantized network scores too far below the float one, or its forms disagree."""


class TimeUp(EdgesegError):
    """The time that a command was given has passed; what it has done is saved."""


@contextmanager
def as_data_error() -> Iterator[None]:
    """Around readers of files that ``board`` shares: their refusal becomes a DataError of the same sentence."""
    try:
        yield
    except InputError as error:
        raise DataError(str(error)) from error
