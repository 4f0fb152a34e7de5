"""Multiplication by a factor of the place."""

from hw_build.kernels.place_factor.kernel import PlaceFactor_rtl, place_factor_reference

__all__ = ["PlaceFactor_rtl", "place_factor_reference"]
