"""The accelerator's interrupt through Linux' user-space I/O: a file that is written to arm it and read when it came."""

import asyncio
import os

ARM = b"\x01\x00\x00\x00"
COUNT_BYTES = 4


class UioInterrupt:
    """``file``: an open ``/dev/uioN``. The accelerator's own line must be lowered before it is armed again."""

    def __init__(self, file):
        self._file = file

    async def wait(self):
        """Arms the interrupt and returns when it has come; safe to cancel."""
        loop = asyncio.get_running_loop()
        came = loop.create_future()
        loop.add_reader(self._file, lambda: came.done() or came.set_result(None))
        try:
            os.write(self._file, ARM)
            await came
            os.read(self._file, COUNT_BYTES)
        finally:
            loop.remove_reader(self._file)

    def close(self):
        """Closes the file."""
        os.close(self._file)
