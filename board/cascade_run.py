"""A cascade of two networks on whatever runs them: two accelerators after each other, or the integer reference.

A network is opened only while it is needed: on a board that is when its bitstream is loaded. All frames go through
stage 1, then all crops through stage 2, so a batch or a volume costs two loads at most. The arithmetic between the
networks is ``board.cascade``'s, on the host and in numpy alone: the centroid is that of all foreground of stage 1,
without connected components, which numpy does not find.
"""

import contextlib

import numpy as np

from board.cascade import Outcome, enlarged, reduced, segment
from board.errors import InputError
from board.io_spec import FrameLayout
from board.slices import Slices


class Cascade:
    """Two networks and the ``board.cascade_spec.CascadeSpec`` that joins them.

    ``layouts``: the ``FrameLayout`` of each. ``open_stage(0)`` and ``open_stage(1)`` give a context whose value has
    ``stream(frames, logits=True)``, as ``board.segmenter.Segmenter`` has. ``report`` gets a line for each step.
    ``spent``: of each stage the frames so far, and the seconds of their jobs by the accelerator's own clock.

    InputError: the networks' sizes, channels or classes do not fit each other.
    """

    def __init__(self, spec, layouts, open_stage, report=lambda line: None):
        first, second = layouts
        if (first.classes, second.classes) != (1, 1):
            raise InputError(
                f"a cascade has networks of one class, these have {first.classes} and {second.classes}; train such ones"
            )
        if first.channels != second.channels:
            raise InputError(
                f"the networks of the cascade take {first.channels} and {second.channels} channels; both see one image"
            )
        if first.resizes or second.resizes:
            raise InputError(
                "a network of the cascade gives masks of another size than its image; use one that does not"
            )
        self.spent = [(0, 0.0), (0, 0.0)]
        self.spec, self.layouts, self.open_stage, self._report = spec, layouts, open_stage, report
        self.frame = FrameLayout(spec.reduction * first.height, spec.reduction * first.width, first.channels)
        self.crop = (second.height, second.width)
        if self.crop[0] > self.frame.height or self.crop[1] > self.frame.width:
            raise InputError(
                f"the crop of {self.crop[0]}x{self.crop[1]} is larger than the image of "
                f"{self.frame.height}x{self.frame.width}; export the second network for a smaller one"
            )
        if spec.volume is not None and spec.volume.slices != first.channels:
            raise InputError(
                f"the networks of the cascade take {first.channels} channels, its frames have {spec.volume.slices} "
                "slices; correct one"
            )

    def segment(self, image):
        """The ``board.cascade.Outcome`` of an image (H, W, C) uint8; its mask is (H, W) bool."""
        return self.segment_batch([image])[0]

    def segment_batch(self, images):
        """The outcome of each image of a list: two loads of a bitstream in all."""
        for image in images:
            self._check(image)
        return self.second_stage(images, self.first_logits(images))

    def second_stage(self, images, every_logit):
        """The outcome of each image (H, W, C) from its logits (H, W) of `first_logits`."""
        with contextlib.ExitStack() as opened:
            accel = self._lazily(opened)
            return [
                self._outcome(logits1, lambda crop, image=image: self._second(accel(), [image[crop]])[0])
                for image, logits1 in zip(images, every_logit, strict=True)
            ]

    def slices(self, codes):
        """The frames of a volume of codes (X, Y, Z) uint8; ``CascadeSpec.volume.codes`` makes the codes of a scan."""
        return Slices(codes, *self.frame.shape)

    def segment_volume(self, codes):
        """The outcome of a volume of codes (X, Y, Z) uint8; mask (X, Y, Z) bool, crop of axes (z, y, x) of frames."""
        slices = self.slices(codes)
        return self.second_of_volume(slices, self.first_logits(slices))

    def second_of_volume(self, slices, logits1):
        """The outcome of a volume's ``slices`` from its logits (Z, H, W) of `first_logits`."""
        with contextlib.ExitStack() as opened:
            accel = self._lazily(opened)

            def stage2(crop):
                numbers = range(crop[0].start, crop[0].stop)
                return self._second(accel(), (slices.frame(number)[crop[1:]] for number in numbers))

            found = self._outcome(logits1, stage2, min(self.spec.depth or len(slices), len(slices)))
        return Outcome(slices.on_volume(found.mask), found.crop, found.note)

    def segment_scan(self, scan):
        """The outcome of a ``board.nifti.Scan``; InputError: the cascade is for images, or the scan does not fit it."""
        if self.spec.volume is None:
            raise InputError("this cascade is for images; give image files, or join one with --slabs")
        return self.segment_volume(self.spec.volume.codes(scan))

    def _check(self, image):
        if image.dtype != np.uint8 or image.shape != self.frame.shape:
            raise InputError(
                f"the image is {image.dtype} {image.shape}, the cascade takes uint8 {self.frame.shape}; convert it"
            )

    def first_logits(self, frames):
        """Logits (N, H, W) int32 of stage 1 alone, at the resolution of the frames (H, W, C)."""
        factor = self.spec.reduction
        with self.open_stage(0) as accel:
            self._report("stage 1: on whole images")
            small = (reduced(frame, factor) for frame in frames)
            logits = [enlarged(found, factor) for found in self._logits(0, accel, small)]
        return np.stack(logits) if logits else np.zeros((0, self.frame.height, self.frame.width), np.int32)

    def _second(self, accel, crops):
        """Logits (N, h, w) int32 of stage 2."""
        return np.stack(list(self._logits(1, accel, crops)))

    def _logits(self, stage, accel, frames):
        """Those of each frame, (h, w) int32."""
        for found in accel.stream(frames, logits=True):
            yield found[..., 0]
        if timing := getattr(accel, "timing", None):  # the integer reference has none
            spent = self.spent[stage]
            self.spent[stage] = (spent[0] + timing.frames, spent[1] + timing.dma_s)

    def _outcome(self, logits1, stage2, *depth):
        found = segment(logits1, stage2, self.spec.table, (*depth, *self.crop), self.spec.least_pixels)
        if found.note:
            self._report(found.note)
        return found

    def _lazily(self, opened):
        """A function that gives the second network, opened by the first call."""
        network = []

        def accel():
            if not network:
                network.append(opened.enter_context(self.open_stage(1)))
                self._report("stage 2: on crops")
            return network[0]

        return accel
