"""A part of an image: Y[y, x, c] = X[top + s*y, left + s*x, first + c]; the rest is passed over.

Rows and columns are slices as Python has them: what is below 0 counts from the end, whatever the size of the image is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.errors import ConfigError
from hw_build.kernels.resources import fifo2_luts
from hw_build.kernels.rows import Rows, selected_rows
from hw_build.kernels.stream_kernel import StreamKernel, own_files

if TYPE_CHECKING:
    from hw_build.kernels.base import RtlInstance

FILES = own_files(__file__, "stream_crop.sv")

TO_THE_END = (1 << 63) - 1  # a stop behind every row and column, as ONNX' exporters write it


def crop_reference(x: np.ndarray, rows: range, columns: range, channels: range) -> np.ndarray:
    """x (N, H, W, C) -> (N, rows, columns, channels)."""
    return x[:, rows][:, :, columns][..., channels]


class StreamCrop_rtl(StreamKernel):
    """Input x (1,H,W,C), signed or unsigned; output (1,H',W',C') of the same type. PE divides what is cut of channels.

    Attributes: Rows and Columns [start, stop, step], Channels [first, behind the last].
    """

    def get_nodeattr_types(self):
        """What is kept."""
        everything = [0, TO_THE_END, 1]
        return super().get_nodeattr_types() | {
            "Rows": ("ints", False, everything),
            "Columns": ("ints", False, everything),
            "Channels": ("ints", True, []),
        }

    @property
    def kept(self) -> tuple[range, range, range]:
        """Rows, columns and channels that are kept."""
        slices = (slice(*self.get_nodeattr(name)) for name in ("Rows", "Columns"))
        rows, columns = (range(*each.indices(size)) for each, size in zip(slices, self.image_dim, strict=True))
        return rows, columns, range(*self.get_nodeattr("Channels"))

    def output_size(self) -> tuple[int, int]:
        """What is left."""
        return len(self.kept[0]), len(self.kept[1])

    def output_channels(self) -> int:
        """What is left."""
        return len(self.kept[2])

    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """A beat is kept or not, as a whole."""
        first, end = self.get_nodeattr("Channels")
        whole = int(np.gcd.reduce([self.get_nodeattr("NumChannels"), first, end]))
        return {"PE": ("the greatest common divisor of NumChannels and Channels", whole)}

    def resize(self, size: tuple[int, int]) -> tuple[int, int]:
        """Cut alike."""
        after = super().resize(size)
        if min(after) < 1:
            raise ConfigError(f"{self.onnx_node.name} leaves nothing of {size[0]}x{size[1]}: use a larger image")
        return after

    def rows(self) -> Rows:
        """Those that are kept."""
        return selected_rows(self.image_dim[0], self.kept[0])

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``crop_reference``."""
        return [crop_reference(inputs[0], *self.kept)]

    def verify_node(self) -> None:
        """Something must be left, of what there is."""
        whole = (*self.image_dim, self.get_nodeattr("NumChannels"))
        if any(not kept or kept[0] < 0 or kept[-1] >= all_ for kept, all_ in zip(self.kept, whole, strict=True)):
            asked = ", ".join(f"{name}={self.get_nodeattr(name)}" for name in ("Rows", "Columns", "Channels"))
            sizes = "x".join(map(str, whole))
            raise ConfigError(f"{self.onnx_node.name}: {asked} must leave a part of {sizes} (height, width, channels)")
        super().verify_node()

    def rtl_instance(self, model) -> RtlInstance:
        """stream_crop."""
        self.verify_node()
        rows, columns, channels = self.kept
        height, width = self.image_dim
        parameters = {
            "HEIGHT": height,
            "WIDTH": width,
            "GROUPS": self.get_nodeattr("NumChannels") // self.pe,
            "BEAT": self.get_instream_width(0),
            "ROW_FIRST": rows[0],
            "ROW_LAST": rows[-1],
            "ROW_STEP": rows.step,
            "COL_FIRST": columns[0],
            "COL_LAST": columns[-1],
            "COL_STEP": columns.step,
            "GROUP_FIRST": channels[0] // self.pe,
            "GROUP_LAST": channels[-1] // self.pe,
        }
        return self.instance("stream_crop", FILES, parameters)

    def lut_estimation(self, fpgapart: str) -> int:
        """Counters, what they are compared with, and the output buffer."""
        places = (*self.image_dim, self.get_nodeattr("NumChannels") // self.pe)
        counters = sum((place - 1).bit_length() for place in places)
        ends = sum(_end_luts(size, kept[0]) for size, kept in zip(self.image_dim, self.kept, strict=False))
        return counters + ends + 8 + fifo2_luts(self.get_instream_width(0))


def _end_luts(size: int, first: int) -> int:
    """LUTs of the ends of ``size`` rows or columns, ``first`` the first one that is kept: of a counter that does not
    end by itself, and of one that begins elsewhere; a comparison with more than 6 bits takes more than a LUT. Fitted,
    as the rest is.
    """
    bits, whole = (size - 1).bit_length(), size & (size - 1) == 0
    luts = 0 if whole else bits // 2 + (4 if bits > 6 else 0)
    return luts + (3 if first and (bits > 6 or not whole) else 0)
