"""One process at a time on the accelerator: an advisory lock on a file, gone with its process whatever happens."""

import fcntl
import os
import tempfile

from board.errors import DeviceError

NAME = "edgeseg.lock"


def open_or_create(path):
    """Descriptor of the file at ``path``, which is created only where there is none.

    In a sticky folder kernels refuse O_CREAT even to root where the file is another user's (fs.protected_regular).
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        return os.open(path, flags | os.O_CREAT, 0o666)


class DeviceLock:
    """Held from construction to ``release``. EDGESEG_LOCK names another file than the system's temporary one."""

    def __init__(self):
        self._file = None
        path = os.environ.get("EDGESEG_LOCK") or os.path.join(tempfile.gettempdir(), NAME)
        try:
            self._file = open_or_create(path)
        except OSError as error:
            raise DeviceError(f"lock file '{path}' cannot be opened ({error.strerror}); run as root") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip()
            self.release()
            raise DeviceError(
                f"the accelerator is in use by process {holder or 'unknown'}; end that one (in Jupyter: shut down its "
                "kernel) and try again"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self):
        """Lets the next one in; harmless when repeated."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __del__(self):
        self.release()
