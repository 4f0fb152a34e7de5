"""Integers <-> the beats of a folded stream, vectorised numpy.

A pixel's ``C`` channels travel as ``C / pe`` beats of ``pe`` elements; element ``i`` of a beat stands at bits
``[i*bits +: bits]``. Beats are little-endian, padded with zeros to whole bytes; signed values are two's complement.
"""

import numpy as np


def bytes_per_beat(pe, bits):
    """Bytes that one beat of ``pe`` elements of ``bits`` bits occupies in memory."""
    return (pe * bits + 7) // 8


def pack_stream(array, pe, bits):
    """Pack integers into beats.

    ``array`` is (..., C) of integers (any dtype, floats holding integers too) with C a multiple of ``pe``; values must
    fit ``bits`` bits, signed or unsigned. Returns uint8 of (beats, bytes_per_beat), beats in raster order.
    """
    array = np.asarray(array)
    channels = array.shape[-1]
    if channels % pe:
        raise ValueError(f"pack_stream: {channels} channels do not divide into beats of {pe} elements")
    if not 1 <= bits <= 63:
        raise ValueError(f"pack_stream: {bits} bits per element, must be 1 to 63")
    values = array.astype(np.int64)
    if values.size and (values.min() < -(1 << (bits - 1)) or values.max() >= (1 << bits)):
        raise ValueError(f"pack_stream: values {values.min()} to {values.max()} do not fit {bits} bits")
    beats = values.reshape(-1, pe)  # (..., C) -> (N*H*W*C/PE, PE)
    if bits in (8, 16, 32):
        return np.ascontiguousarray(beats.astype(f"<i{bits // 8}")).view(np.uint8)
    element_bytes = np.ascontiguousarray(beats.astype("<i8")).view(np.uint8).reshape(-1, pe, 8)[..., : (bits + 7) // 8]
    planes = np.unpackbits(element_bytes, axis=-1, bitorder="little")[..., :bits]  # (beats, PE, bits)
    return np.packbits(planes.reshape(len(beats), pe * bits), axis=-1, bitorder="little")


def unpack_stream(beats, shape, pe, bits, signed=False):
    """Inverse of ``pack_stream``: uint8 (beats, >= bytes_per_beat) -> int64 of ``shape`` (..., C).

    Bits above ``pe * bits`` in a beat are ignored. Raises ValueError when the number of beats is not that of ``shape``.
    """
    beats = np.asarray(beats, dtype=np.uint8)
    count = int(np.prod(shape))
    if beats.ndim != 2 or beats.shape[1] < bytes_per_beat(pe, bits):
        raise ValueError(
            f"unpack_stream: beats of shape {beats.shape} hold fewer than the {bytes_per_beat(pe, bits)} bytes "
            f"of {pe} elements of {bits} bits"
        )
    if len(beats) * pe != count:
        raise ValueError(f"unpack_stream: {len(beats)} beats of {pe} elements cannot fill shape {tuple(shape)}")
    planes = np.unpackbits(beats, axis=-1, count=pe * bits, bitorder="little").reshape(-1, pe, bits)
    size = next(s for s in (1, 2, 4, 8) if 8 * s >= bits)
    padded = np.zeros((len(beats), pe, 8 * size), np.uint8)
    padded[..., :bits] = planes
    if signed:
        padded[..., bits:] = planes[..., bits - 1 : bits]
    values = np.packbits(padded, axis=-1, bitorder="little").view(f"<{'i' if signed else 'u'}{size}")
    return values.reshape(shape).astype(np.int64)
