"""The header of a ``.bit`` file: which design, for which part, and whether all of it is there; likewise the ``.hwh``.

Layout, big-endian: a field of 2-byte length, the number 1 in 2 bytes, then fields of a letter, a length and the text
(a: design, b: part, c: date, d: time); last the letter e, a length of 4 bytes and the configuration data.
"""

import os
import struct
from xml.etree import ElementTree

from board.errors import BitstreamError

PROCESSING_SYSTEMS = ("processing_system7", "zynq_ultra_ps_e")
FIELDS = {b"a": "design", b"b": "part", b"c": "date", b"d": "time"}


def read_header(path):
    """``design``, ``part``, ``date``, ``time`` and ``length`` of the bitstream; BitstreamError unless it is whole."""
    if os.path.exists(str(path)) and not os.path.isfile(str(path)):  # a device may have no end
        raise BitstreamError(f"bitstream '{path}' is not a file; copy it from the deploy folder")
    try:
        with open(str(path), "rb") as opened:
            content = opened.read()
    except OSError as error:
        raise BitstreamError(
            f"bitstream '{path}' cannot be read ({error.strerror}); copy it from the deploy folder"
        ) from None
    try:
        return parse_header(content)
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise BitstreamError(
            f"bitstream '{path}' is truncated or not a bitstream ({error}); copy it again from the deploy folder"
        ) from None


def check_handoff(path):
    """BitstreamError unless the ``.hwh`` at ``path`` is there, whole, and of a Zynq: pynq takes that for granted."""
    try:
        modules = ElementTree.parse(str(path)).iterfind("MODULES/MODULE")
        if not any(module.get("MODTYPE") in PROCESSING_SYSTEMS for module in modules):
            raise ValueError("it describes no processing system")
    except OSError as error:
        raise BitstreamError(
            f"'{path}' cannot be read ({error.strerror}); copy .bit and .hwh from the same deploy folder"
        ) from None
    except (ElementTree.ParseError, ValueError) as error:
        raise BitstreamError(
            f"'{path}' is truncated or not a .hwh file ({error}); copy it again from the deploy folder"
        ) from None


def parse_header(content):
    """See ``read_header``; ValueError or struct.error where ``content`` is not whole."""
    (length,) = struct.unpack_from(">H", content)
    position = 2 + length + 2
    header = {}
    while True:
        tag, position = content[position : position + 1], position + 1
        if tag == b"e":
            (header["length"],) = struct.unpack_from(">I", content, position)
            held = len(content) - position - 4
            if held != header["length"]:
                raise ValueError(f"{header['length']} bytes of configuration announced, {held} there")
            return header
        if tag not in FIELDS:
            raise ValueError("unknown field in its header")
        (length,) = struct.unpack_from(">H", content, position)
        text = content[position + 2 : position + 2 + length]
        header[FIELDS[tag]] = text.rstrip(b"\0").decode("ascii").split(";")[0]
        position += 2 + length
