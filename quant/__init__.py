"""Quantization-aware training, evaluation and export of the networks in ``models``."""
