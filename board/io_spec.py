"""What travels between memory and the accelerator: the sizes and the words of a frame, as ``io_spec.json`` says.

In: 8-bit codes, channels last, raster order. Out, chosen at run time: int32 logits, those of a pixel side by side, or
what they decide. Of one class that is a mask of one bit a pixel, 32 pixels a word, the first in bit 0; of several one
byte a pixel, the index of the largest logit, the first of equals. Words are little-endian. Both sides are filled up
with zeros: codes to whole pixels that are whole beats of 8 bytes, results to whole beats. Results have the size of the
image unless ``out_height`` and ``out_width`` say otherwise. ``volume`` is there where images are slices of volumes:
``board.volume_spec``. This file runs on the board's own Python.
"""

import json
import math

import numpy as np

from board.errors import BoardError, InputError
from board.volume_spec import VolumeSpec

KEYS = ("version", "network", "network_hash", "height", "width", "channels", "classes")
SIZE_KEYS = ("out_height", "out_width")  # where results have a size of their own
VOLUME = "volume"  # where images are slices of volumes
VERSION = 2
BEAT_BYTES = 8
MAX_CHANNELS = 16
MAX_CLASSES = 256  # an index is a byte


class IoSpecError(BoardError):
    """``io_spec.json`` is missing or wrong, or data does not fit it."""


def decide(logits):
    """Logits (..., classes) -> what they decide (...): what the accelerator's hardware computes, too.

    Of one logit bool, logit > 0; of several uint8, the index of the largest, the first of equals.
    """
    return logits[..., 0] > 0 if logits.shape[-1] == 1 else logits.argmax(-1).astype(np.uint8)


class FrameLayout:
    """How frames lie in memory: codes (H, W, C) in; logits (H', W', classes), or what they decide (H', W'), out.

    H' and W' are ``out_height`` and ``out_width``: those of the image where they are not given.
    """

    def __init__(self, height, width, channels, classes=1, out_height=None, out_width=None):
        self.height, self.width = height, width
        self.channels, self.classes = channels, classes
        self.out_height = height if out_height is None else out_height
        self.out_width = width if out_width is None else out_width

    @property
    def shape(self):
        """(H, W, C) of a frame of codes."""
        return self.height, self.width, self.channels

    @property
    def out_size(self):
        """(H', W') of a result."""
        return self.out_height, self.out_width

    @property
    def resizes(self):
        """Whether results have another size than the image."""
        return self.out_size != (self.height, self.width)

    @property
    def out_pixels(self):
        """Of a result."""
        return self.out_height * self.out_width

    @property
    def input_bytes(self):
        """Bytes of one frame of codes, with what fills it up."""
        group = math.lcm(self.channels, BEAT_BYTES)
        return -(-self.height * self.width * self.channels // group) * group

    @property
    def logit_words(self):
        """32-bit words of one frame of logits."""
        return _whole_beats(4 * self.out_pixels * self.classes)

    @property
    def mask_words(self):
        """32-bit words of one frame of decisions: bits, or bytes of several classes."""
        return _whole_beats(-(-self.out_pixels // 8) if self.classes == 1 else self.out_pixels)

    def place(self, codes, frame):
        """Writes ``codes`` (H, W, C) uint8 into ``frame``, (input_bytes,) uint8 of the memory."""
        np.copyto(frame[: codes.size].reshape(codes.shape), codes)
        frame[codes.size :] = 0

    def logits(self, words):
        """uint32 words of N frames of logits -> (N, H', W', classes) int32, on the same memory."""
        frames = words.view(np.int32).reshape(-1, self.logit_words)[:, : self.out_pixels * self.classes]
        return frames.reshape(-1, *self.out_size, self.classes)

    def pack(self, results):
        """The words that hold results (N, H', W') or (N, H', W', classes), as ``masks`` and ``logits`` give them."""
        rows = results.reshape(len(results), -1)
        rows = np.packbits(rows, axis=1, bitorder="little") if rows.dtype == np.bool_ else rows
        rows = rows.astype("<i4" if results.ndim == 4 else np.uint8).view(np.uint8)
        words = self.logit_words if results.ndim == 4 else self.mask_words
        return np.pad(rows, ((0, 0), (0, 4 * words - rows.shape[1]))).view("<u4").reshape(-1)

    def masks(self, words):
        """uint32 words of N frames of decisions -> (N, H', W'): bool, or of several classes uint8 indices."""
        frames = words.astype("<u4", copy=False).view(np.uint8).reshape(-1, 4 * self.mask_words)
        if self.classes == 1:
            frames = np.unpackbits(frames, axis=1, bitorder="little").view(np.bool_)
        return frames[:, : self.out_pixels].reshape(-1, *self.out_size)


class IoSpec(FrameLayout):
    """The layout of a network's frames, and which network it is.

    ``network_hash`` is 64 bits of a hash over the accelerator's sources, weights included; the bitstream has it, too.
    ``volume`` is the ``board.volume_spec.VolumeSpec`` of a network that sees slices of volumes, or None.
    """

    def __init__(
        self, network, network_hash, height, width, channels, classes=1, out_height=None, out_width=None, volume=None
    ):
        super().__init__(height, width, channels, classes, out_height, out_width)
        for name in ("height", "width", "channels", "classes", *SIZE_KEYS):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise IoSpecError(f"io_spec: {name} must be a positive integer, got {value!r}; build again")
        if not isinstance(network, str):
            raise IoSpecError(f"io_spec: network must be a name, got {network!r}; build again")
        if classes > MAX_CLASSES:
            raise IoSpecError(f"io_spec: classes must be at most {MAX_CLASSES}, got {classes}; build again")
        if not isinstance(network_hash, int) or not 0 <= network_hash < 1 << 64:
            raise IoSpecError(f"io_spec: network_hash must be a number of 64 bits, got {network_hash!r}; build again")
        if volume is not None and volume.slices != channels:
            raise IoSpecError(
                f"io_spec: its frames have {volume.slices} slices, the network takes {channels} channels; build again"
            )
        self.network, self.network_hash, self.volume = network, network_hash, volume

    def text(self):
        """The content of ``io_spec.json``."""
        names = KEYS + SIZE_KEYS if self.resizes else KEYS
        values = {name: getattr(self, name) for name in names if name != "version"}
        values["network_hash"] = f"0x{self.network_hash:016x}"
        if self.volume is not None:
            values[VOLUME] = self.volume.as_dict()
        return json.dumps(dict(version=VERSION, **values), indent=1) + "\n"


def _whole_beats(size):
    """Words of ``size`` bytes, filled up to whole beats."""
    return -(-size // BEAT_BYTES) * (BEAT_BYTES // 4)


def read_io_spec(path):
    """Reads ``io_spec.json``; IoSpecError when it is missing or not of this version."""
    try:
        with open(str(path)) as opened:
            values = json.load(opened)
    except OSError as error:
        raise IoSpecError(f"io_spec '{path}' cannot be read ({error.strerror}); copy it beside the driver") from None
    except (ValueError, RecursionError) as error:
        raise IoSpecError(f"io_spec '{path}' is not JSON ({error}); copy it again") from None
    known = isinstance(values, dict) and set(values) - {VOLUME} in (set(KEYS), set(KEYS + SIZE_KEYS))
    if not known or values["version"] != VERSION:
        raise IoSpecError(f"io_spec '{path}' is not of version {VERSION}; build again")
    del values["version"]
    try:
        values["network_hash"] = int(values["network_hash"], 16)
    except (TypeError, ValueError):
        raise IoSpecError(f"io_spec '{path}': network_hash is not a hexadecimal number; build again") from None
    try:
        volume = values.pop(VOLUME, None)
        return IoSpec(**values, volume=None if volume is None else VolumeSpec.from_dict(volume))
    except InputError as error:
        raise IoSpecError(f"io_spec '{path}': {error}") from None
