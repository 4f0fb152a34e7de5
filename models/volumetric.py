"""The families of networks for volumes; each registers its variants."""

from models import cscn, mdr_unet, nnunet3d  # noqa: F401
