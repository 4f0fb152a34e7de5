"""One job's memory: codes in, results out. Whole blocks are copied, never elements, and caches are kept in step.

``allocate(shape, dtype)`` returns an array with ``device_address``, ``flush()`` and ``invalidate()``, as
``pynq.allocate`` does; there both do nothing where the buffer is coherent, so they are always called.
"""

import numpy as np

from board.errors import DeviceError, InputError


class JobBuffers:
    """Source and destination of up to ``frames`` frames."""

    def __init__(self, allocate, spec, frames):
        self._spec, self.frames = spec, frames
        try:
            self.source = allocate((frames, spec.input_bytes), np.uint8)
            self.destination = allocate((frames * spec.logit_words,), np.uint32)
        except (RuntimeError, MemoryError, OSError) as error:
            size = frames * (spec.input_bytes + 4 * spec.logit_words)
            raise DeviceError(
                f"{size} bytes of contiguous memory for {frames} frames cannot be allocated ({error}); "
                "free other buffers, run fewer frames per job, or boot with a larger cma="
            ) from None
        self.destination.flush()  # no dirty line of it may be written back over a result

    def load(self, images):
        """Copies images, each (H, W, C) uint8, to the source and hands it to the device."""
        shape = self._spec.shape
        for frame, image in zip(self.source, images, strict=False):
            image = np.asarray(image)
            if image.dtype != np.uint8 or image.shape != shape:
                raise InputError(
                    f"the image is {image.dtype} {image.shape}, the network takes uint8 {shape} "
                    "(height, width, channels); convert or resize it"
                )
            self._spec.place(image, frame)
        self.source.flush()

    def unload_masks(self, count):
        """``count`` masks, (count, H, W) bool or class indices, in an array of their own."""
        return self._spec.masks(self._words(count * self._spec.mask_words))

    def unload_logits(self, count):
        """``count`` frames of logits, (count, H, W, classes) int32, in an array of their own."""
        return self._spec.logits(self._words(count * self._spec.logit_words))

    def _words(self, count):
        """The first ``count`` words of the destination, copied out in one block."""
        part = self.destination[:count]
        part.invalidate()
        return np.array(part, subok=False)

    def free(self):
        """Gives the memory back."""
        for buffer in (self.source, self.destination):
            buffer.freebuffer()
