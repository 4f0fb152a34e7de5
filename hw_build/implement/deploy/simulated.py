"""The "bitstream" of the simulated board: a valid ``.bit`` container that names a simulation, for no FPGA.

Its design name begins with SIMULATED and its part is ``none``, so that nobody takes it for a real one; its data are
JSON for ``hw_build.implement.pynq_sim``, where real configuration data would begin with a synchronisation word.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DESIGN = "SIMULATED-no-FPGA-configuration"
PART = "none"


def simulated_bitstream(library: Path, control_bases: Sequence[int]) -> bytes:
    """The container for the simulated board that ``library`` holds, accelerators' registers at ``control_bases``."""
    content = json.dumps({"library": str(Path(library).resolve()), "control_bases": list(control_bases)}).encode()
    return bit_container(DESIGN, PART, content)


def bit_container(design: str, part: str, data: bytes) -> bytes:
    """A ``.bit`` file: header fields with ``design`` and ``part``, then ``data``."""
    fields = (("a", f"{design};UserID=0XFFFFFFFF"), ("b", part), ("c", "2026/01/01"), ("d", "00:00:00"))
    content = struct.pack(">H", 9) + bytes.fromhex("0ff00ff00ff00ff000") + struct.pack(">H", 1)
    for tag, value in fields:
        text = value.encode("ascii") + b"\0"
        content += tag.encode() + struct.pack(">H", len(text)) + text
    return content + b"e" + struct.pack(">I", len(data)) + data
