"""What a scan must be for a network that sees its slices: orientation, spacing, and the window of its intensities.

Of one network it stands in ``io_spec.json``, of a cascade in ``cascade.json``.
"""

from board.errors import InputError
from board.intensity import Window
from board.slices import require_slices

_SPACING_TOLERANCE = 0.05  # as a share


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
        if spacing is not None and (
            not isinstance(spacing, list)
            or len(spacing) != 3
            or not all(isinstance(step, (int, float)) and 0 < step < float("inf") for step in spacing)
        ):
            raise InputError(f"spacing_mm must be null or three distances in mm, got {spacing!r}; correct it")
        return cls(Window.from_dict(values["window"]), slices, values["orientation"], spacing)

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
