"""Any function of the codes of one or two streams."""

from hw_build.kernels.code_table.kernel import MAX_ADDRESS_BITS, CodeTable_rtl, code_table_reference

__all__ = ["MAX_ADDRESS_BITS", "CodeTable_rtl", "code_table_reference"]
