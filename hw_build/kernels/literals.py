"""Integer arrays as SystemVerilog literals: constants reach the RTL as packed parameters, so no file path is needed."""

from __future__ import annotations

import numpy as np


def signed_bits(low: int, high: int) -> int:
    """Fewest bits of a two's complement number that holds ``low`` to ``high``."""
    magnitude = max(high, -low - 1, 0)  # -8 and 7 both take three bits beside the sign
    return max(magnitude.bit_length() + (low < 0 or high > 0), 1)


def packed_literal(values: np.ndarray, bits: int) -> str:
    """``values`` flattened, element ``i`` in two's complement at bits ``[i*bits +: bits]``, as a sized hex literal."""
    flat = np.asarray(values, dtype=np.int64).ravel()
    assert flat.size and bits < 64
    assert flat.max() < 1 << bits and flat.min() >= -(1 << (bits - 1))
    planes = (flat[:, None] >> np.arange(bits)) & 1  # (n, bits), least significant bit first
    packed = np.packbits(planes.astype(np.uint8).ravel(), bitorder="little").tobytes()
    return f"{flat.size * bits}'h{int.from_bytes(packed, 'little'):x}"
