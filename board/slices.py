"""2.5D: a volume as frames of a network for images. A frame is a slice and its neighbours, side by side as channels.

Beyond the first and the last slice these are repeated. A slice that is smaller than the frame stands in its middle,
with code 0 around it, as far as that goes (the odd row or column is behind it); a larger one is refused.
"""

import numpy as np

from board.errors import InputError


def require_slices(slices):
    """InputError unless a frame has a slice in its middle: an odd number of them."""
    if type(slices) is not int or slices < 1 or slices % 2 == 0:
        raise InputError(f"slices must be odd (1, 3, 5, ...), got {slices!r}; correct it")


class Slices:
    """The frames of ``codes`` (X, Y, Z) uint8 for images of ``height`` x ``width`` x ``slices``; InputError: larger."""

    def __init__(self, codes, height, width, slices):
        require_slices(slices)
        self.planes, self.slices = codes.transpose(2, 1, 0), slices  # (Z, Y, X)
        self.shape = (len(self.planes), height, width)
        rows, columns = self.planes.shape[1:]
        if rows > height or columns > width:
            raise InputError(
                f"slices of {rows}x{columns} (y, x) are larger than the network's image of {height}x{width}; cut or "
                "resample the scan, or build for a larger image"
            )
        top, left = (height - rows) // 2, (width - columns) // 2
        self._place = (slice(top, top + rows), slice(left, left + columns))

    def __len__(self):
        return len(self.planes)

    def __iter__(self):
        """The frames of all slices, in order."""
        return map(self.frame, range(len(self)))

    def frame(self, index):
        """(H, W, slices) uint8 of slice ``index`` and its neighbours, from below to above."""
        frame = np.zeros((*self.shape[1:], self.slices), np.uint8)
        for channel in range(self.slices):
            near = min(max(index + channel - self.slices // 2, 0), len(self) - 1)
            frame[self._place[0], self._place[1], channel] = self.planes[near]
        return frame

    def on_volume(self, results):
        """Results (Z, H, W) of all frames -> (X, Y, Z), without what stands around a slice."""
        return results[:, self._place[0], self._place[1]].transpose(2, 1, 0)
