"""From a network as people write it to its quantized twin."""
