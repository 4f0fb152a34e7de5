"""The status register in words, from the one register description."""

from board.registers import REGISTERS

ERROR_BITS = 0xFFFF  # sticky errors; above them stands what the shell does now


def explain_status(status):
    """``NAME (meaning)`` of every bit set in ``status``, joined by commas; bits without a name by their number."""
    fields = {bit: f"{name} ({doc})" for name, bit, _, doc in REGISTERS["STATUS"][3]}
    words = [fields.get(bit, f"bit {bit} (unknown)") for bit in range(32) if status >> bit & 1]
    return f"status 0x{status:08X}: " + (", ".join(words) if words else "nothing is flagged")
