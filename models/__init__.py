"""Float segmentation networks in PyTorch, one file per family, by name from a registry."""

import models.volumetric  # noqa: F401  (those for volumes)
from models import (  # noqa: F401  (each registers its variants)
    cfpnet,
    cmunext,
    cmunext_hw,
    givted,
    lucf_net,
    lw_unet,
    mobile_cmunext,
    transunet,
    unet,
    unet3,
    unet_v2,
    unetpp,
    unext,
)
from models.registry import build, entry, names

__all__ = ["build", "entry", "names"]
