"""What an RTL node of FINN tells the rest, as a kernel of ours does: RTL, geometry, foldings, size, its C++."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from finn.util.exception import FINNUserError
from finn.util.settings import get_settings, initialize_dummy_settings
from qonnx.util.basic import roundup_to_integer_multiple

from hw_build.kernels.base import RtlInstance, StreamPort

if TYPE_CHECKING:
    import numpy as np
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.custom_op.base import CustomOp

    from hw_build.kernels.fabric import Fabric
    from hw_build.kernels.rows import Rows

Folding = dict[str, int | str]


class FinnNode(ABC):
    """A node of FINN, by its custom op; ``name`` is FINN's, without the suffix of a back end."""

    name: ClassVar[str]
    copies: ClassVar[bool] = False

    def __init__(self, operation: CustomOp):
        self.operation = operation

    @abstractmethod
    def rtl_instance(self, model: ModelWrapper, code_gen_dir: Path) -> RtlInstance:
        """Its module; generated sources go to ``code_gen_dir``."""

    @abstractmethod
    def rows(self) -> Rows:
        """Which input rows each row of the output needs."""

    @abstractmethod
    def resize(self, size: tuple[int, int]) -> tuple[int, int]:
        """Take images of ``size``, (H, W); the size of the output."""

    @abstractmethod
    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """Folding attribute -> (what it must divide, its value); every divisor is legal."""

    @abstractmethod
    def folding_choices(self, fabric: Fabric) -> dict[str, tuple[int | str, ...]]:
        """Further attributes that cost and speed depend on -> their legal values."""

    @abstractmethod
    def folding_conflict(self, folding: Folding) -> str | None:
        """Why values that are legal on their own are not together, as the end of a sentence; None where they are."""

    @abstractmethod
    def folding_cost(self, folding: Folding) -> tuple[int, ...]:
        """What the cheapest folding is chosen by, the first number first."""

    @abstractmethod
    def cpp_call(self) -> str:
        """C++ of ours that does what its RTL does, up to the bracket."""

    @abstractmethod
    def in_stream_order(self, tensor: np.ndarray) -> np.ndarray:
        """``tensor`` as its elements leave the node."""


@lru_cache(maxsize=1)
def library_folder() -> Path:
    """FINN's RTL library; outside its own command line FINN has no settings until asked to make some."""
    try:
        return Path(get_settings().finn_rtllib)
    except FINNUserError:
        initialize_dummy_settings()
        return Path(get_settings().finn_rtllib)


def port(prefix: str, elements: int, element_bits: int) -> StreamPort:
    """A FINN stream port: ``elements`` of ``element_bits``, padded to bytes."""
    return StreamPort(
        tdata=f"{prefix}_TDATA",
        tvalid=f"{prefix}_TVALID",
        tready=f"{prefix}_TREADY",
        width_bits=roundup_to_integer_multiple(elements * element_bits, 8),
        payload_bits=elements * element_bits,
        element_bits=element_bits,
    )
