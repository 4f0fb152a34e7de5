"""The integer reference: an exported graph's integer arithmetic, fast, for whole data sets.

It is exact against QONNX execution in every logit, on every processor and with any number of threads: integers do not
depend on the order of sums, and no kernel that saturates is given operands that could. See ``program.py`` for the
arithmetic, ``compiled`` for how the CPU gets fast, ``ort_graph.py`` for what serves where no kernels can be compiled,
and ``torch_engine.py`` for other devices.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quant.base.errors import DataError
from quant.integer.compiled.engine import compiled_engine
from quant.integer.ort_engine import OrtEngine
from quant.integer.parse import load_program

if TYPE_CHECKING:
    from quant.integer.compiled.engine import CompiledEngine
    from quant.integer.program import Program
    from quant.integer.torch_engine import TorchEngine

MODEL_FILE = "model.qonnx"


class IntegerReference:
    """Integer logits of an exported network.

    Args:
        export_dir: folder with ``model.qonnx``.
        device: "cpu" or a torch device such as "cuda". On the CPU compiled kernels serve; for a network with an
            operator that has none, or without g++ or a processor that they are made for, onnxruntime's 8-bit ones.
            Networks for volumes are run by torch on every device.
        threads: CPU threads; 0: as many as there are processors.

    Raises:
        ExportError: the graph is missing, not QONNX or not exact in integers.
    """

    def __init__(self, export_dir: Path, *, device: str = "cpu", threads: int = 0) -> None:
        self.program: Program = load_program(Path(export_dir) / MODEL_FILE)
        self._engine: CompiledEngine | OrtEngine | TorchEngine
        if device == "cpu" and not self.program.is_of_volumes:
            self._engine = compiled_engine(self.program, threads) or OrtEngine(self.program, threads)
        else:
            self._engine = _torch_engine(self.program, device)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(H, W, C) of one image, or (X, Y, Z, C) of a volume."""
        return self.program.input_shape

    @property
    def engine(self) -> str:
        """What computes: ``compiled``, ``onnxruntime`` or ``torch``."""
        return self._engine.name

    @property
    def classes(self) -> int:
        """Logits a pixel."""
        return self.program.channels[self.program.output]

    def run(self, codes: np.ndarray) -> np.ndarray:
        """Pixel codes (N, H, W, C) uint8 -> integer logits (N, H, W, classes) int32, and so of volumes;
        ``quant.evaluation.predict.decide`` turns them into masks.

        Raises:
            DataError: the images are not 8-bit or not of the network's size.
        """
        if codes.dtype != np.uint8:
            raise DataError(f"the integer reference takes 8-bit codes, not {codes.dtype}; convert the image to uint8")
        if codes.shape[1:] != self.input_shape:
            *sides, channels = self.input_shape
            raise DataError(
                f"images of shape {codes.shape[1:]} do not fit the exported network, which takes"
                f" {'x'.join(map(str, sides))} pixels of {channels} channels; resize them or export at their size"
            )
        return self._engine.run(codes)


def _torch_engine(program: Program, device: str) -> TorchEngine:
    from quant.base.device import require_device
    from quant.integer.torch_engine import TorchEngine

    require_device(device)
    return TorchEngine(program, device.removeprefix("torch-"))
