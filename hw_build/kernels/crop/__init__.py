"""A part of an image and of its channels."""

from hw_build.kernels.crop.kernel import TO_THE_END, StreamCrop_rtl, crop_reference

__all__ = ["TO_THE_END", "StreamCrop_rtl", "crop_reference"]
