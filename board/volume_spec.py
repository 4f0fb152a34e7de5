"""What a scan must be for a network that sees its slices: orientation, spacing, and the window of its intensities.

Of one network it stands in ``io_spec.json``, of a cascade in ``cascade.json``.
"""

import itertools

from board.errors import InputError
from board.intensity import Window
from board.slices import require_slices

_SPACING_TOLERANCE = 0.05  # as a share
_LARGEST_MM = 1e3
_ORIENTATIONS = {
    "".join(ends) for axes in itertools.permutations(("LR", "PA", "IS")) for ends in itertools.product(*axes)
}


class VolumeSpec:
    """``window`` of intensities, ``slices`` of a frame, ``orientation`` (RAS) and ``spacing_mm`` of scans, or None."""

    def __init__(self, window, slices, orientation, spacing_mm):
        self.window, self.slices = window, slices
        self.orientation, self.spacing_mm = orientation, None if spacing_mm is None else tuple(spacing_mm)

    @classmethod
    def from_dict(cls, values):
        """Of plain values, as ``as_dict`` gives them."""
        if not isinstance(values, dict) or set(values) != {"window", "slices", "orientation", "spacing_mm"}:
            raise InputError(f"a volume has window, slices, orientation and spacing_mm, got {values!r}; correct it")
        slices, spacing = values["slices"], values["spacing_mm"]
        require_slices(slices)
        if spacing is not None and not (
            isinstance(spacing, list)
            and len(spacing) == 3
            and all(type(step) in (int, float) and 0 < step < _LARGEST_MM for step in spacing)
        ):
            raise InputError(f"spacing_mm must be null or three distances in mm, got {spacing!r}; correct it")
        orientation = values["orientation"]
        if not isinstance(orientation, str) or orientation not in _ORIENTATIONS:
            raise InputError(f"orientation must be three letters such as RAS or LPS, got {orientation!r}; correct it")
        return cls(Window.from_dict(values["window"]), slices, orientation, spacing)

    def __str__(self):
        spacing = "" if self.spacing_mm is None else f", voxels of {_lengths(self.spacing_mm)} mm"
        return f"orientation {self.orientation}{spacing}, {self.slices} slices an image"

    def as_dict(self):
        """Plain values for JSON."""
        spacing = None if self.spacing_mm is None else list(self.spacing_mm)
        named = {"slices": self.slices, "orientation": self.orientation, "spacing_mm": spacing}
        return {"window": self.window.as_dict(), **named}

    def codes(self, scan):
        """Codes (X, Y, Z) uint8 of a ``board.nifti.Scan``; InputError: of another orientation or spacing."""
        if scan.orientation != self.orientation:
            raise InputError(
                f"scan '{scan.source}' has orientation {scan.orientation}, the networks were trained on "
                f"{self.orientation}; turn it (nibabel.orientations), or train on such scans"
            )
        if self.spacing_mm is not None:
            steps = scan.spacing_mm
            pairs = zip(steps, self.spacing_mm, strict=True)
            if any(abs(step - wanted) > _SPACING_TOLERANCE * wanted for step, wanted in pairs):
                raise InputError(
                    f"scan '{scan.source}' has voxels of {_lengths(steps)} mm, the networks were trained on "
                    f"{_lengths(self.spacing_mm)} mm; resample it"
                )
        try:
            return self.window.codes(scan.voxels)
        except InputError as error:
            raise InputError(f"scan '{scan.source}': {error}") from None


def _lengths(steps):
    return " x ".join(f"{step:g}" for step in steps)
