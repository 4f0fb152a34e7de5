"""Buffers and calls of a program for the compiled kernels: what each operator's ``compile`` adds to.

A tensor of codes is planes of bytes, q = code - least code, with a border of zero's code around each plane.
Tensors of the same sizes take each other's buffers as soon as nothing reads them any more: what a network writes next
is then still in the processor's cache.
"""

from __future__ import annotations

import ctypes
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from quant.integer.compiled import forms

if TYPE_CHECKING:
    from collections.abc import Callable

    from quant.integer.program import Program, Staircase, Step

_SLACK = 1024  # bytes behind the last row of a buffer that kernels may read, and never use
_ALIGNMENT = 64
_INT8 = np.iinfo(np.int8)


def _fields(ctype: type, *names: str) -> list[tuple[str, type]]:
    return [(name, ctype) for name in names]


class Windows(Protocol):
    """A step that reads windows."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]


class Summing(Protocol):
    """A step that makes codes of sums, or logits where it has no staircase."""

    output: str
    staircase: Staircase | None


class Planes(ctypes.Structure):
    """`kernels.cpp` says what the fields of these structures are."""

    _fields_ = (
        *_fields(ctypes.c_void_p, "data"),
        *_fields(ctypes.c_int64, "plane", "stride"),
        *_fields(ctypes.c_int32, "channels", "height", "width"),
    )


class _Staircase(ctypes.Structure):
    _fields_ = (
        *_fields(ctypes.c_void_p, "left", "factor", "constant", "right", "thresholds16"),
        *_fields(ctypes.c_void_p, "scale", "offset", "floor", "ceiling", "thresholds32"),
        *_fields(ctypes.c_int32, "rows", "steps", "form"),
    )


class _Filters(ctypes.Structure):
    _fields_ = (
        *_fields(ctypes.c_void_p, "taps", "weights", "start16", "start32"),
        *_fields(ctypes.c_int64, "stride"),
        *_fields(ctypes.c_int32, "outputs", "groups", "count"),
    )


class Plan:
    """The calls of ``program``, in order, and the buffers that they work on.

    ``sizes`` holds (H, W) of every tensor so far. A plan serves one thread.
    """

    def __init__(self, program: Program, library: ctypes.CDLL) -> None:
        self.program, self.library = program, library
        self.sizes: dict[str, tuple[int, ...]] = {program.source: program.size}
        self.logits = np.empty(0, np.int32)
        self._calls: list[Callable[[], None]] = []
        self._border = max((max(getattr(step, "pads", (0,))) for step in program.steps), default=0)
        self._planes: dict[str, Planes] = {}
        self._buffers: dict[str, tuple[tuple[int, ...], np.ndarray]] = {}
        self._free: dict[tuple[int, ...], list[np.ndarray]] = {}
        self._last_reader = {name: step.name for step in program.steps for name in _sources(step)}
        self._kept: list[object] = []
        self._source = self.planes(program.source)

    def run(self, codes: np.ndarray) -> np.ndarray:
        """Of one image (H, W, C) uint8 the logits (H, W, classes) int32."""
        codes = np.ascontiguousarray(codes)
        self.library.edgeseg_planes(ctypes.c_void_p(codes.ctypes.data), ctypes.byref(self._source))
        for call in self._calls:
            call()
        return self.logits.copy()

    # ---- for operators -----------------------------------------------------------------------------------------------
    def planes(self, name: str) -> Planes:
        """Those of a tensor; ``sizes`` has its size."""
        if name not in self._planes:
            self._planes[name] = self._allocate(name)
        return self._planes[name]

    def release(self, step: Step) -> None:
        """Gives back what ``step`` was the last one to read."""
        for name in _sources(step):
            if self._last_reader[name] == step.name and name in self._buffers:
                key, buffer = self._buffers.pop(name)
                self._free[key].append(buffer)

    def keep(self, values: np.ndarray, dtype: type) -> int:
        """The address of ``values``, which live as long as the plan."""
        kept: np.ndarray = np.ascontiguousarray(values, dtype)
        self._kept.append(kept)
        return kept.ctypes.data

    def call(self, function: str, *arguments: object) -> None:
        """Adds a call of the library: of ``arguments``, structures by their address, whole numbers as 32 bits."""
        self._kept.extend(arguments)
        passed = [ctypes.byref(each) if isinstance(each, ctypes.Structure) else each for each in arguments]
        self._calls.append(partial(getattr(self.library, f"edgeseg_{function}"), *passed))

    def taps(self, source: str, step: Windows) -> tuple[np.ndarray, int]:
        """Addresses (channels of the source, KH * KW) of what pixel 0, 0 of ``step``'s windows reads, and the bytes to
        the next row; where windows are a stride apart, of planes of every ``stride``th pixel, which a call makes.
        """
        planes = self.planes(source)
        (rows, columns), (top, left) = step.kernel, step.pads[:2]
        y = step.dilations[0] * np.arange(rows) - top + self._border
        x = step.dilations[1] * np.arange(columns) - left + self._border
        first = planes.data - self._border * (planes.stride + 1)
        plane, stride, channel = planes.plane, planes.stride, np.arange(planes.channels)[:, None, None]
        apart = max(step.strides)
        if apart > 1:
            height, width = (-(-(side + 2 * self._border) // apart) for side in (planes.height, planes.width))
            phases = np.zeros(planes.channels * apart * apart * height * width + _SLACK, np.uint8)
            to = self.keep(phases, np.uint8)
            of_image = (ctypes.c_void_p(first), ctypes.c_int64(plane), ctypes.c_int64(stride), planes.channels, apart)
            to_planes = (ctypes.c_void_p(to), ctypes.c_int64(height * width), ctypes.c_int64(width), height, width)
            self.call("phases", *of_image, *to_planes)
            channel = (channel * apart + y[:, None] % apart) * apart + x % apart
            first, plane, stride, y, x = to, height * width, width, y // apart, x // apart
        addresses = first + channel * plane + y[:, None] * stride + x
        return addresses.reshape(planes.channels, rows * columns), stride

    def filter(
        self,
        step: Summing,
        taps: np.ndarray,
        weights: np.ndarray,
        *,
        stride: int,
        least: int,
        most: int,
        start: np.ndarray,
    ) -> None:
        """Sums of ``taps`` (groups, n), addresses of codes ``least..most``, by ``weights`` (O, n), each begun with
        ``start`` (O,); then ``step``'s staircase, or they are the logits.
        """
        low, high = (start + (weights * np.where(weights * sign > 0, most, least)).sum(axis=1) for sign in (-1, 1))
        start = start + least * weights.sum(axis=1)  # codes are stored from 0
        outputs, count = weights.shape
        pairs = np.pad(np.abs(weights), ((0, 0), (0, count % 2))).reshape(outputs, -1, 2).sum(axis=2)
        narrow = (
            forms.fits_int16(low, high)
            and weights.min() >= _INT8.min
            and weights.max() <= _INT8.max
            and pairs.max() * (most - least) <= np.iinfo(np.int16).max
        )
        if narrow and count % 2:  # the last tap again, which counts nothing
            taps, weights = np.concatenate([taps, taps[:, -1:]], axis=1), np.pad(weights, ((0, 0), (0, 1)))
        found = _Filters(outputs=outputs, groups=len(taps), count=taps.shape[1], stride=stride)
        found.taps, found.weights = self.keep(taps, np.uint64), self._ordered(weights, len(taps), narrow)
        found.start16, found.start32 = self.keep(start & 0xFFFF, np.uint16), self.keep(start, np.float32)
        (height, width), name = self.sizes[step.output], "filter16" if narrow else "filter32"
        if step.staircase is None:
            self.logits = np.empty((height, width, outputs), np.int32)
            planes = Planes(0, 0, 0, outputs, height, width)
            self.call(name, found, None, planes, ctypes.c_void_p(self.logits.ctypes.data))
            return
        self.call(name, found, self.staircase(step.staircase, low, high, narrow), self.planes(step.output), None)

    def staircase(self, staircase: Staircase, low: np.ndarray, high: np.ndarray, narrow: bool) -> _Staircase:
        """Of sums ``low..high`` (C,) or more, in int16 where ``narrow``: a line where one is exact, else thresholds."""
        rows, steps = staircase.thresholds.shape
        if len(low) > rows:  # all channels share it
            low, high = low.min(keepdims=True), high.max(keepdims=True)
        found = _Staircase(rows=rows, steps=steps)
        if narrow:
            line = forms.line16(staircase, low, high)
            found.form = forms.COUNT16 if line is None else forms.LINE16
            found.factor = self.keep(staircase.sign if line is None else line.factor, np.int16)
            if line is None:
                lowest, highest = np.minimum(low, -high).min(), np.maximum(high, -low).max() + 1
                found.thresholds16 = self.keep(staircase.thresholds.clip(lowest, highest), np.int16)
            else:
                found.left, found.constant, found.right = (
                    self.keep(each, np.int16) for each in (line.left, line.constant, line.right)
                )
            return found
        wide = forms.line32(staircase, low, high)
        found.form = forms.COUNT32 if wide is None else forms.LINE32
        found.scale = self.keep(staircase.sign if wide is None else wide[0], np.float32)
        found.thresholds32 = self.keep(staircase.thresholds, np.float32)
        if wide is not None:
            found.offset, found.floor, found.ceiling = (self.keep(each, np.float32) for each in wide[1:])
        return found

    # ---- inside ------------------------------------------------------------------------------------------------------
    def _ordered(self, weights: np.ndarray, groups: int, narrow: bool) -> int:
        """The address of ``weights`` (O, n) in the order in which the kernels read them."""
        of_group, parts, output = len(weights) // groups, [], 0
        while output < len(weights):
            together = self.library.edgeseg_together(of_group - output % of_group)
            part = weights[output : output + together]  # (outputs taken, n)
            if narrow:
                pairs = part.astype(np.int8).reshape(together, -1, 2)  # (outputs taken, n/2, 2)
                part = np.tile(pairs, 2).view(np.int32)[..., 0]
            parts.append(part.T.reshape(-1))  # (n, outputs taken)
            output += together
        return self.keep(np.concatenate(parts), np.int32 if narrow else np.float32)

    def _allocate(self, name: str) -> Planes:
        (height, width), channels, border = self.sizes[name], self.program.channels[name], self._border
        stride = -(-(width + 2 * border) // _ALIGNMENT) * _ALIGNMENT
        plane = stride * (height + 2 * border)
        key = (channels, height, width, -self.program.codes[name].low)
        free = self._free.setdefault(key, [])
        buffer = free.pop() if free else np.full(channels * plane + _SLACK, key[-1], np.uint8)
        self._buffers[name] = (key, buffer)
        self._kept.append(buffer)
        return Planes(buffer.ctypes.data + border * (stride + 1), plane, stride, channels, height, width)


def _sources(step: Any) -> tuple[str, ...]:
    return getattr(step, "sources", None) or (step.source,)
