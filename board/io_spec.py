"""What travels between memory and the accelerator: the sizes and the words of a frame, as ``io_spec.json`` says.

In: 8-bit codes, channels last, raster order. Out, chosen at run time: int32 logits, one word per pixel, or a mask of
one bit per pixel, 32 pixels per word, the first in bit 0; words are little-endian. This file runs on the board's own
Python.
"""

import json

import numpy as np

from board.errors import BoardError

KEYS = ("version", "network", "network_hash", "height", "width", "channels", "classes")
VERSION = 2


class IoSpecError(BoardError):
    """``io_spec.json`` is missing or wrong, or data does not fit it."""


class IoSpec:
    """Sizes of a frame: codes (H, W, C) in; logits (H, W, classes) or mask (H, W) out.

    ``network_hash`` is 64 bits of a hash over the accelerator's sources, weights included; the bitstream has it, too.
    """

    def __init__(self, network, network_hash, height, width, channels, classes=1):
        sizes = {"height": height, "width": width, "channels": channels, "classes": classes}
        for name, value in sizes.items():
            if not isinstance(value, int) or value < 1:
                raise IoSpecError(f"io_spec: {name} must be a positive integer, got {value!r}; build again")
        if height * width % 32:
            raise IoSpecError(f"io_spec: {height} x {width} pixels do not fill words of 32 bits; build again")
        if not isinstance(network_hash, int) or not 0 <= network_hash < 1 << 64:
            raise IoSpecError(f"io_spec: network_hash must be a number of 64 bits, got {network_hash!r}; build again")
        self.network, self.network_hash = network, network_hash
        self.height, self.width = height, width
        self.channels, self.classes = channels, classes

    @property
    def input_bytes(self):
        """Bytes of one frame of codes."""
        return self.height * self.width * self.channels

    @property
    def logit_words(self):
        """32-bit words of one frame of logits."""
        return self.height * self.width * self.classes

    @property
    def mask_words(self):
        """32-bit words of one packed mask."""
        return self.height * self.width // 32

    def logits(self, words):
        """uint32 words of N frames of logits -> (N, H, W, classes) int32, on the same memory."""
        return words.view(np.int32).reshape(-1, self.height, self.width, self.classes)

    def masks(self, words):
        """uint32 words of N packed masks -> (N, H, W) bool."""
        bits = np.unpackbits(words.astype("<u4", copy=False).view(np.uint8), bitorder="little")
        return bits.view(np.bool_).reshape(-1, self.height, self.width)

    def text(self):
        """The content of ``io_spec.json``."""
        values = {name: getattr(self, name) for name in KEYS if name != "version"}
        values["network_hash"] = f"0x{self.network_hash:016x}"
        return json.dumps(dict(version=VERSION, **values), indent=1) + "\n"


def read_io_spec(path):
    """Reads ``io_spec.json``; IoSpecError when it is missing or not of this version."""
    try:
        with open(str(path)) as opened:
            values = json.load(opened)
    except OSError as error:
        raise IoSpecError(f"io_spec '{path}' cannot be read ({error.strerror}); copy it beside the driver") from None
    except ValueError as error:
        raise IoSpecError(f"io_spec '{path}' is not JSON ({error}); copy it again") from None
    if not isinstance(values, dict) or set(values) != set(KEYS) or values["version"] != VERSION:
        raise IoSpecError(f"io_spec '{path}' is not of version {VERSION}; build again")
    del values["version"]
    try:
        values["network_hash"] = int(values["network_hash"], 16)
    except (TypeError, ValueError):
        raise IoSpecError(f"io_spec '{path}': network_hash is not a hexadecimal number; build again") from None
    return IoSpec(**values)
