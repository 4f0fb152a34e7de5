"""Layers and quantizers of Brevitas, as every twin has them."""
