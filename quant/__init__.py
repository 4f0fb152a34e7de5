"""Quantization-aware training, evaluation and export of the networks in ``models``."""

import warnings

# Brevitas says so at import; only rotation-based quantization, which is not used here, would gain from that package.
warnings.filterwarnings("ignore", message="fast_hadamard_transform package not found")
