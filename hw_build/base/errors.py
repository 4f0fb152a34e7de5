"""Errors that a user can cause. Each message is one sentence: node or file, rule, value, remedy."""


class EdgesegError(Exception):
    """Base of every error that the command line turns into one line on stderr and ``status``."""

    status = 2


class ConfigError(EdgesegError):
    """A configuration, board file or command-line value is missing or wrong."""


class LoweringError(EdgesegError):
    """A node of the graph cannot be lowered to a hardware kernel; ``node_name`` where one is at fault."""

    node_name = ""


class BuildError(EdgesegError):
    """A build step failed: absent tool, unwritable directory, stale or corrupt artefact."""


class MismatchError(BuildError):
    """Two representations of the network differ; names the first differing tensor and the files that hold both."""


def shorten(line: str) -> str:
    """``line`` as a sentence may quote it: tools repeat whole weight matrices."""
    return line if len(line) <= 400 else f"{line[:300]} ... {line[-80:]}"


def explain(error: BaseException) -> tuple[str, int] | None:
    """Line and status of an error of ours, for the boundary of every command; None for any other."""
    return (f"error: {error}", error.status) if isinstance(error, EdgesegError) else None
