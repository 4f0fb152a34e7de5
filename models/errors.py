"""Errors that a user of ``models`` can cause."""


class EdgesegError(Exception):
    """Base of every error that the command line turns into one line on stderr and a non-zero status."""


class ConfigError(EdgesegError):
    """An unknown network name, or a network configuration that makes no sense."""
