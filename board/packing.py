"""Integers <-> the beats of a folded stream, vectorised numpy.

A pixel's ``C`` channels travel as ``C / pe`` beats of ``pe`` elements; element ``i`` of a beat stands at bits
``[i*bits +: bits]``, beats are little-endian bytes padded with zeros to whole bytes. Signed values are two's complement.
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
        raise ValueError("pack_stream: %d channels do not divide into beats of %d elements" % (channels, pe))
    if not 1 <= bits <= 63:
        raise ValueError("pack_stream: %d bits per element, must be 1 to 63" % bits)
    values = array.astype(np.int64)
    if values.size and (values.min() < -(1 << (bits - 1)) or values.max() >= (1 << bits)):
        raise ValueError(
            "pack_stream: values %d to %d do not fit %d bits" % (values.min(), values.max(), bits)
        )
    beats = values.reshape(-1, pe)  # (..., C) -> (N*H*W*C/PE, PE)
    if bits in (8, 16, 32):
        return np.ascontiguousarray(beats.astype("<i%d" % (bits // 8))).view(np.uint8)
    element_bytes = np.ascontiguousarray(beats.astype("<i8")).view(np.uint8).reshape(-1, pe, 8)[..., : (bits + 7) // 8]
    planes = np.unpackbits(element_bytes, axis=-1, bitorder="little")[..., :bits]  # (beats, PE, bits)
    return np.packbits(planes.reshape(len(beats), pe * bits), axis=-1, bitorder="little")


def unpack_stream(beats, shape, pe, bits, signed=False):
    """Inverse of :func:`pack_stream`: uint8 (beats, >= bytes_per_beat) -> int64 of ``shape`` (..., C).

    Bits above ``pe * bits`` in a beat are ignored. Raises ValueError when the number of beats is not that of ``shape``.
    """
    beats = np.asarray(beats, dtype=np.uint8)
    count = int(np.prod(shape))
    if beats.ndim != 2 or beats.shape[1] < bytes_per_beat(pe, bits):
        raise ValueError(
            "unpack_stream: beats of shape %s hold fewer than the %d bytes of %d elements of %d bits"
            % (beats.shape, bytes_per_beat(pe, bits), pe, bits)
        )
    if len(beats) * pe != count:
        raise ValueError(
            "unpack_stream: %d beats of %d elements cannot fill shape %s" % (len(beats), pe, tuple(shape))
        )
    planes = np.unpackbits(beats, axis=-1, count=pe * bits, bitorder="little").reshape(-1, pe, bits)
    size = next(s for s in (1, 2, 4, 8) if 8 * s >= bits)
    padded = np.zeros((len(beats), pe, 8 * size), np.uint8)
    padded[..., :bits] = planes
    if signed:
        padded[..., bits:] = planes[..., bits - 1 : bits]
    values = np.packbits(padded, axis=-1, bitorder="little").view("<%s%d" % ("i" if signed else "u", size))
    return values.reshape(shape).astype(np.int64)
