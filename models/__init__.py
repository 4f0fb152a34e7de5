"""Float segmentation networks in PyTorch, one file per family, by name from a registry."""
