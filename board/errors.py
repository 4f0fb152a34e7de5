"""Errors of the run time. Each message is one sentence: what is wrong, and the remedy."""


class BoardError(Exception):
    """Base of every error that the command line turns into one line on stderr and status 2."""


class InputError(BoardError):
    """An image, file or argument of the user does not fit."""


class DeviceError(BoardError):
    """No usable device: pynq or board missing, not permitted, in use, or set up otherwise than needed."""


class BitstreamError(BoardError):
    """The bitstream is missing, truncated, or of another network than ``io_spec.json``."""


class TransferError(BoardError):
    """A job ended with an error of the bus or of the accelerator; it has been reset."""


class AcceleratorTimeout(BoardError):
    """A job did not end in time; the accelerator has been reset."""


class SelftestError(BoardError):
    """The accelerator's results differ from the golden ones."""
