"""The demand of a data set: dimension, image sizes, crop, window, training; each with its rule and its figure.

The figures are those of ``python -m quant describe``. The method is that of nnU-Net (F. Isensee et al., Nature Methods
18 (2021) 203): fixed rules on a fingerprint of the data, no search. The models then say which network fits the board.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hw_build.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

MULTIPLE = 32  # of every side: what the networks' four and five halvings take
LARGEST_SIDE = 256  # the networks and recipes of this project were settled at it
LEAST_LESION_PIXELS = 8  # across the smallest lesions (5th percentile): a network that halves thrice still sees one
CROP_BOX = 0.5  # a cascade pays where the box of large cases (95th percentile) covers at most half of each side
CROP_MARGIN = 1.25  # of the crop around that box
JITTER = 3  # pixels, as CMDR-UNet has it
SLICES = 3  # the networks for hardware take three channels
BACKGROUND_SHARE = 0.2  # of zeros: from here on the background was removed
FEW_CASES = 2000  # below, augmentation is strong
FLOAT_STEPS, QUANTIZED_STEPS, BATCH = 8000, 4000, 8
EPOCHS = (20, 300)


@dataclass(frozen=True, kw_only=True)
class Reason:
    """A decision: its subject, its value, and the rule with the figure that led to it."""

    what: str
    value: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Demand:
    """The demand of a data set. ``sides`` of the (square) image to try, the best first; ``box`` (H, W) as shares of the
    image where a cascade pays, else None; ``reduction`` of its first stage's image. ``framed``: slices, as
    ``quant slabs`` writes them, with a window over the voxels that are not 0 where ``nonzero``.
    """

    dimension: str
    sides: tuple[int, ...]
    box: tuple[float, float] | None
    reduction: int
    classes: int
    framed: bool
    nonzero: bool
    augmentation: str
    float_epochs: int
    quantized_epochs: int
    reasons: tuple[Reason, ...]

    def crop(self, side: int) -> tuple[int, int]:
        """The (H, W) of the second stage's crop in an image of ``side``."""
        assert self.box is not None, "only a cascade has crops"
        height, width = (min(side, up(CROP_MARGIN * share * side + 2 * JITTER)) for share in self.box)
        return height, width


def demand(data: dict[str, Any]) -> Demand:
    """The demand of a description; its keys are those of ``quant.volumes.describe``.

    Raises:
        ConfigError: these data cannot be trained on, or not for a network for images.
    """
    _require_trainable(data)
    is_volumes = data["kind"] == "volumes"
    framed = is_volumes or bool(data.get("stacked_patients"))
    axes = ("y", "x") if is_volumes else ("height", "width")
    native = data["shape"][1::-1] if is_volumes else (data["height"], data["width"])
    sides, of_sides = _framed_side(native) if framed else _resized_sides(native, [data["box"][axis] for axis in axes])
    # shares of the network's image, in which a framed slice is only a part
    parts = [side["max"] / sides[0] if framed else 1.0 for side in native]
    boxes = [
        {name: share * part for name, share in data["box"][axis].items()}
        for axis, part in zip(axes, parts, strict=True)
    ]
    box, reduction, of_cascade = _cascade(data["classes"], boxes, sides[0])
    nonzero, of_window = _window(data["intensity"]) if framed else (False, [])
    cases = data["cases"] * (round(data["shape"][2]["p50"]) if is_volumes else 1)
    strong = cases < FEW_CASES
    float_epochs, quantized_epochs = (_epochs(steps, cases) for steps in (FLOAT_STEPS, QUANTIZED_STEPS))
    reasons = (
        _of_dimension(data, framed, is_volumes),
        of_sides,
        of_cascade,
        *of_window,
        Reason(
            what="augmentation",
            value="strong" if strong else "flips",
            why=f"{cases:,} training images, {'fewer than' if strong else 'at least'} {FEW_CASES:,}",
        ),
        Reason(
            what="epochs",
            value=f"{float_epochs} float, {quantized_epochs} quantized",
            why=f"{FLOAT_STEPS:,} and {QUANTIZED_STEPS:,} steps of {BATCH} images, {EPOCHS[0]} to {EPOCHS[1]} epochs",
        ),
    )
    return Demand(
        dimension=("cascade of " if box else "") + ("2.5D" if framed else "2D"),
        sides=sides,
        box=box,
        reduction=reduction,
        classes=data["classes"],
        framed=framed,
        nonzero=nonzero,
        augmentation="strong" if strong else "flips",
        float_epochs=float_epochs,
        quantized_epochs=quantized_epochs,
        reasons=reasons,
    )


def _require_trainable(data: dict[str, Any]) -> None:
    if data.get("val_missing"):
        raise ConfigError(f"a plan needs a split to score on: {data['val_missing']}")
    if data["kind"] != "volumes":
        return
    if data["channels"] > 1:
        raise ConfigError(
            f"the volumes have {data['channels']} channels; slices for a board are made of one: choose it, and write"
            " volumes of it alone"
        )
    if len(data.get("orientations", ())) > 1:
        raise ConfigError(
            f"the volumes have the orientations {', '.join(data['orientations'])}; turn all to one"
            " (nibabel.as_closest_canonical)"
        )


def up(side: float) -> int:
    """The next multiple of ``MULTIPLE``."""
    return max(1, math.ceil(side / MULTIPLE)) * MULTIPLE


def _framed_side(native: Sequence[dict[str, float]]) -> tuple[tuple[int, ...], Reason]:
    """The one side that frames the largest slice: slices keep their resolution and are never resized."""
    largest = max(side["max"] for side in native)
    why = (
        f"slices keep their resolution; the largest that was looked at has {largest:.0f} pixels, filled up to a "
        f"multiple of {MULTIPLE}"
    )
    return (up(largest),), Reason(what="image side", value=str(up(largest)), why=why)


def _resized_sides(
    native: Sequence[dict[str, float]], boxes: Sequence[dict[str, float]]
) -> tuple[tuple[int, ...], Reason]:
    median, smallest = max(side["p50"] for side in native), min(box["p5"] for box in boxes)
    largest = min(LARGEST_SIDE, up(median))
    least = min(largest, up(LEAST_LESION_PIXELS / smallest))
    why = (
        f"the median image has {median:.0f} pixels, filled up to a multiple of {MULTIPLE}, at most {LARGEST_SIDE}; not "
        f"below {least}, where the smallest lesions (5th percentile: {smallest:.1%} of a side) have "
        f"{LEAST_LESION_PIXELS} pixels"
    )
    return tuple(range(largest, least - 1, -MULTIPLE)), Reason(what="image side", value=str(largest), why=why)


def _of_dimension(data: dict[str, Any], framed: bool, is_volumes: bool) -> Reason:
    if not framed:
        return Reason(what="dimension", value="2D", why=f"{data['cases']:,} images without neighbouring slices")
    why = f"{data['cases']:,} volumes" if is_volumes else f"slices of {data['stacked_patients']} patients"
    spacing = data.get("spacing_mm")
    if spacing:
        why += f", slices {spacing[2]:g} mm apart, pixels of {max(spacing[:2]):g} mm"
    why += f"; no 3D network fits on a chip, so {SLICES} neighbouring slices are the channels of one for images"
    return Reason(what="dimension", value="2.5D", why=why)


def _cascade(
    classes: int, boxes: Sequence[dict[str, float]], side: int
) -> tuple[tuple[float, float] | None, int, Reason]:
    """The (H, W) that a crop must cover, as shares of the image, and the reduction of stage 1's image."""
    height, width = (box["p95"] for box in boxes)
    figure = f"the foreground of large cases (95th percentile) covers {height:.0%} x {width:.0%} of the image"
    if classes > 1:
        return None, 1, Reason(what="cascade", value="no", why=f"{classes} classes; a cascade's fusion is of one")
    if max(height, width) > CROP_BOX:
        return None, 1, Reason(what="cascade", value="no", why=f"{figure}, more than {CROP_BOX:.0%} of a side")
    median = min(box["p50"] for box in boxes) * side
    reduction = 1
    while side % (2 * reduction * MULTIPLE) == 0 and median / (2 * reduction) >= LEAST_LESION_PIXELS and reduction < 4:
        reduction *= 2
    why = f"{figure}, at most {CROP_BOX:.0%} of each side; stage 1 sees the image reduced by {reduction}, where the "
    why += f"median lesion still has {median / reduction:.0f} pixels"
    return (height, width), reduction, Reason(what="cascade", value="yes", why=why)


def _window(found: dict[str, float]) -> tuple[bool, list[Reason]]:
    """Whether the percentiles of the window omit voxels that are 0."""
    nonzero = found["zeros"] >= BACKGROUND_SHARE
    why = f"{found['zeros']:.0%} of the voxels are 0; 1st to 99th percentile: {found['p1']:g} to {found['p99']:g}"
    value = "percentile 1 to 99" + (", of the voxels that are not 0" if nonzero else "")
    return nonzero, [Reason(what="window", value=value, why=why)]


def _epochs(steps: int, cases: int) -> int:
    return min(max(-(-steps * BATCH // cases), EPOCHS[0]), EPOCHS[1])
