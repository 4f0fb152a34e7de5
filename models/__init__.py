"""Float segmentation networks in PyTorch, one file per family, by name from a registry."""

import models.volumetric  # noqa: F401  (those for volumes)
from models import cmunext, cmunext_hw, mobile_cmunext, unet3  # noqa: F401  (each registers its variants)
from models.registry import build, entry, names

__all__ = ["build", "entry", "names"]
