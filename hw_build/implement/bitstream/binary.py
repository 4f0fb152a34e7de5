"""``.bit`` to the ``.bin`` that Linux' FPGA manager loads: no header, the bytes of each 32-bit word reversed.

Format: Linux kernel, Documentation/driver-api/fpga and drivers/fpga/zynq-fpga.c, which refuses a file whose
synchronisation word 0xAA995566 is not little-endian.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from board.bitfile import parse_header, read_header
from hw_build.base.errors import BuildError
from hw_build.base.step_engine import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def write_binary(bitstream: Path, binary: Path) -> None:
    """Write the configuration data of ``bitstream`` to ``binary``.

    Raises:
        BuildError: its data are no whole words.
        board.errors.BitstreamError: ``bitstream`` is no whole .bit file.
    """
    read_header(bitstream)
    content = bitstream.read_bytes()
    length = parse_header(content)["length"]
    if length % 4:
        raise BuildError(f"'{bitstream}' holds {length} bytes of configuration, not whole words: make it again")
    words = np.frombuffer(content[len(content) - length :], dtype=">u4")
    write_atomically(binary, words.astype("<u4").tobytes())
