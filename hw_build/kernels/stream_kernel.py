"""What all streaming kernels of this project share: folding, shapes, widths, checks and execution.

A kernel is a FINN ``HWCustomOp`` whose tensors are NHWC integers held in float32. Every stream carries one image
pixel by pixel in raster order; a pixel is ``C/PE`` beats of ``PE`` channels. A subclass adds its attributes, ONE
integer numpy reference (``compute``), the exact cycles of a frame and its RTL module.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from finn.custom_op.fpgadataflow.hwcustomop import HWCustomOp
from onnx import NodeProto
from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.axi_stream import BUFFER, input_prefixes, output_prefixes, read_core, wrapper
from hw_build.kernels.base import RtlInstance, StreamPort

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from hw_build.kernels.fabric import Fabric
    from hw_build.kernels.rows import Rows

RTL_DIR = Path(__file__).resolve().parent.parent / "rtl"


def shared_files(*names: str) -> tuple[Path, ...]:
    """RTL that several kernels use: names below ``hw_build/rtl``."""
    return tuple(RTL_DIR / name for name in names)


def own_files(module: str, *names: str) -> tuple[Path, ...]:
    """RTL of one kernel, beside the Python file ``module`` that describes it."""
    return tuple(Path(module).resolve().parent / name for name in names)


def divisors(value: int) -> list[int]:
    """All divisors of ``value`` in ascending order."""
    return [d for d in range(1, value + 1) if value % d == 0]


def check_divides(node_name: str, attribute: str, value: int, whole_name: str, whole: int) -> None:
    """Raise ``ConfigError`` unless ``value`` divides ``whole``."""
    if value < 1 or whole % value:
        choices = ", ".join(str(d) for d in divisors(whole))
        raise ConfigError(
            f"{node_name}: {attribute}={value} does not divide {whole_name}={whole}; choose one of {choices}"
        )


def check_constant(node_name: str, name: str, values: np.ndarray, datatype: BaseDataType) -> None:
    """Raise ``ConfigError`` unless every one of ``values`` is an integer that ``datatype`` holds."""
    as_int = np.rint(values)
    if not np.array_equal(as_int, values):
        raise ConfigError(f"{node_name}: {name} must be integers, found {values[as_int != values].flat[0]}")
    if values.size and not (datatype.allowed(float(values.min())) and datatype.allowed(float(values.max()))):
        raise ConfigError(
            f"{node_name}: {name} spans {int(values.min())} to {int(values.max())}, which {datatype.name} cannot hold; "
            "choose a wider data type"
        )


_DEFINITIONS: dict[type, dict[str, tuple]] = {}  # of attributes: (type, required, default, allowed values or None)

_READ = {"i": lambda field: field.i, "s": lambda field: field.s.decode(), "ints": lambda field: list(field.ints)}


class StreamKernel(HWCustomOp):
    """Base of all kernels: one or more input streams of the same image size, one or more output streams."""

    copies = False  # whether each output is the input: it computes nothing

    def get_nodeattr_types(self):
        """Attributes that every kernel has; ``ImgDim`` is the [H, W] of the input."""
        attributes = {
            "ImgDim": ("ints", True, []),
            "NumChannels": ("i", True, 0),
            "PE": ("i", False, 1),
            "inputDataType": ("s", True, ""),
        }
        attributes.update(super().get_nodeattr_types())
        return attributes

    def get_nodeattr_def(self, name):
        """As qonnx has it; the attributes of a class are asked for once, since foldings are tried by the thousand."""
        kind = type(self)
        if kind not in _DEFINITIONS:
            _DEFINITIONS[kind] = {key: (*value, None)[:4] for key, value in self.get_nodeattr_types().items()}
        return _DEFINITIONS[kind][name]

    def get_nodeattr(self, name):
        """As qonnx has it, which lists the names of all attributes for each value."""
        kind, _, _, allowed = _DEFINITIONS.get(type(self), {}).get(name, (None, None, None, None))
        if kind in _READ:
            for attribute in self.onnx_node.attribute:
                if attribute.name == name:
                    value = _READ[kind](attribute)
                    if allowed is None or value in allowed:
                        return value
        return super().get_nodeattr(name)

    # ---- what a subclass says -------------------------------------------------------------------------------------
    @abstractmethod
    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """The integer numpy reference: int64 arrays in the order of the node's inputs -> outputs in their order."""

    @abstractmethod
    def rtl_instance(self, model) -> RtlInstance:
        """The RTL module with its parameters, sources and ports; constants come from ``model``'s initializers."""

    def rows(self) -> Rows:
        """Which input rows each row of the output needs.

        Raises:
            ConfigError: the kernel has not said so.
        """
        raise ConfigError(
            f"{self.onnx_node.name}: {self.onnx_node.op_type} does not say which input rows it needs for a row of its "
            "output; give its class a method rows()"
        )

    def output_size(self) -> tuple[int, int]:
        """(H', W'): that of the input unless a kernel says otherwise."""
        return self.image_dim

    def resize(self, size: tuple[int, int]) -> tuple[int, int]:
        """Take images of ``size``, (H, W); the size of the output.

        Raises:
            ConfigError: the kernel takes no such images.
        """
        self.set_nodeattr("ImgDim", list(size))
        return self.output_size()

    def line_attributes(self, model) -> dict[str, int | list[int]]:
        """Attributes that put a line in place of many thresholds, where there is one (``lines.py``)."""
        return {}

    # ---- attributes -----------------------------------------------------------------------------------------------
    @property
    def image_dim(self) -> tuple[int, int]:
        """(H, W) of the input."""
        height, width = self.get_nodeattr("ImgDim")
        return height, width

    @property
    def pe(self) -> int:
        """Channels per beat."""
        return self.get_nodeattr("PE")

    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """Folding attribute -> (what it must divide, its value); every divisor is legal."""
        channels = [self.input_channels(ind) for ind in self.stream_inputs()]
        what = "NumChannels" if len(set(channels)) == 1 else f"the greatest common divisor of NumChannels={channels}"
        return {"PE": (what, math.gcd(*channels))}

    def folding_conflict(self, folding: dict[str, int | str]) -> str | None:
        """Why values that are legal on their own are not together, as the end of a sentence; None where they are."""
        return None

    def folding_cost(self, folding: dict[str, int | str]) -> tuple[int, ...]:
        """What the cheapest folding is chosen by, the first number first: as a rule the products of a cycle."""
        return (0, int(folding.get("PE", 1)) * int(folding.get("SIMD", 1)))

    def folding_choices(self, fabric: Fabric) -> dict[str, tuple[int | str, ...]]:
        """Further attributes that cost and speed depend on -> their legal values, whatever the others are."""
        return {}

    def folded(self, folding: Mapping[str, int | str]) -> Self:
        """A copy of the node with this folding."""
        node = NodeProto()
        node.CopyFrom(self.onnx_node)
        copied = type(self)(node)
        for key, value in folding.items():
            copied.set_nodeattr(key, value)
        return copied

    def input_channels(self, ind: int = 0) -> int:
        """Channels of input stream ``ind``."""
        return self.get_nodeattr("NumChannels")

    def output_channels(self) -> int:
        """Channels of each output stream."""
        return self.get_nodeattr("NumChannels")

    def get_input_datatype(self, ind: int = 0) -> BaseDataType:
        """Data type of input stream ``ind``."""
        return DataType[self.get_nodeattr("inputDataType")]

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Data type of output stream ``ind``: that of the input unless a subclass says otherwise."""
        return self.get_input_datatype(0)

    def stream_inputs(self) -> range:
        """Indices of the node inputs that are streams (the others are constants)."""
        return range(1)

    # ---- shapes and widths ----------------------------------------------------------------------------------------
    def get_normal_input_shape(self, ind: int = 0) -> tuple[int, ...]:
        """(1, H, W, C)."""
        return (1, *self.image_dim, self.input_channels(ind))

    def get_normal_output_shape(self, ind: int = 0) -> tuple[int, ...]:
        """(1, H', W', C')."""
        return (1, *self.output_size(), self.output_channels())

    def input_elements(self, ind: int = 0) -> int:
        """Channels of one beat of input stream ``ind``."""
        return self.pe

    def output_elements(self) -> int:
        """Channels of one beat of each output stream."""
        return self.pe

    def get_folded_input_shape(self, ind: int = 0) -> tuple[int, ...]:
        """(1, H, W, beats of a pixel, channels of a beat)."""
        *pixels, channels = self.get_normal_input_shape(ind)
        return (*pixels, channels // self.input_elements(ind), self.input_elements(ind))

    def get_folded_output_shape(self, ind: int = 0) -> tuple[int, ...]:
        """(1, H', W', beats of a pixel, channels of a beat)."""
        *pixels, channels = self.get_normal_output_shape(ind)
        return (*pixels, channels // self.output_elements(), self.output_elements())

    def get_instream_width(self, ind: int = 0) -> int:
        """Bits of one input beat; 0 for a constant."""
        return self.input_elements(ind) * self.get_input_datatype(ind).bitwidth() if ind in self.stream_inputs() else 0

    def get_outstream_width(self, ind: int = 0) -> int:
        """Bits of one output beat."""
        return self.output_elements() * self.get_output_datatype(ind).bitwidth()

    def get_exp_cycles(self) -> int:
        """Cycles of a frame in the steady state: one per beat on the busiest port."""
        return max(
            int(np.prod(self.get_folded_input_shape(0)[:-1])), int(np.prod(self.get_folded_output_shape(0)[:-1]))
        )

    # ---- qonnx and FINN conventions -------------------------------------------------------------------------------
    def make_shape_compatible_op(self, model):
        """A standard op of the first output's shape, for shape inference; further outputs are annotated at once."""
        for ind, output in enumerate(self.onnx_node.output):
            model.set_tensor_shape(output, list(self.get_normal_output_shape(ind)))
        return super().make_shape_compatible_op(model)

    def infer_node_datatype(self, model) -> None:
        """Take the input type from the graph, annotate the outputs."""
        self.set_nodeattr("inputDataType", model.get_tensor_datatype(self.onnx_node.input[0]).name)
        for ind, output in enumerate(self.onnx_node.output):
            model.set_tensor_datatype(output, self.get_output_datatype(ind))

    def verify_node(self) -> None:
        """Raise ``ConfigError`` when an attribute cannot be built."""
        height, width = self.image_dim
        if height < 1 or width < 1:
            raise ConfigError(f"{self.onnx_node.name}: ImgDim={[height, width]} must be at least 1 x 1")
        for attribute, (what, whole) in self.folding_limits().items():
            check_divides(self.onnx_node.name, attribute, self.get_nodeattr(attribute), what, whole)

    def execute_node(self, context, graph) -> None:
        """Run the numpy reference on the tensors in ``context``."""
        node = self.onnx_node
        inputs = [np.rint(context[name]).astype(np.int64) for name in node.input]
        for ind in self.stream_inputs():
            if inputs[ind].shape[1:] != self.get_normal_input_shape(ind)[1:]:
                raise ConfigError(
                    f"{node.name}: input {ind} has shape {inputs[ind].shape}, its attributes say "
                    f"{self.get_normal_input_shape(ind)}; set ImgDim and NumChannels to the tensor's"
                )
        for name, value in zip(node.output, self.compute(inputs), strict=True):
            context[name] = value.astype(np.float32)

    # ---- RTL ------------------------------------------------------------------------------------------------------
    def constant(self, model, ind: int) -> np.ndarray:
        """Initializer of input ``ind`` as int64."""
        values = model.get_initializer(self.onnx_node.input[ind])
        if values is None:
            raise ConfigError(
                f"{self.onnx_node.name}: input {ind} ('{self.onnx_node.input[ind]}') has no initializer; "
                "its constants must be stored in the graph"
            )
        return np.rint(values).astype(np.int64)

    def input_parameters(self) -> dict[str, int]:
        """Parameters of the module that say what a code of its first input is."""
        data_type = self.get_input_datatype(0)
        return {"X_BITS": data_type.bitwidth(), "X_SIGNED": int(data_type.signed())}

    def instance(self, core: str, files: tuple[Path, ...], parameters: Mapping[str, int | str]) -> RtlInstance:
        """The module ``core``, of the one of ``files`` with that name, in its wrapper, if any (``axi_stream.py``)."""
        (source,) = (path for path in files if path.stem == core)
        header, readers = read_core(source), len(self.onnx_node.output)
        wrappers = [wrapper(header, readers)] if header.needs_wrapper else []
        streams = self.stream_inputs()
        return RtlInstance(
            module=wrappers[0][0] if wrappers else core,
            clock="ap_clk",
            reset_n="ap_rst_n",
            inputs=tuple(
                stream_port(prefix, self.input_elements(ind), self.get_input_datatype(ind))
                for ind, prefix in zip(streams, input_prefixes(len(streams)), strict=True)
            ),
            outputs=tuple(
                stream_port(prefix, self.output_elements(), self.get_output_datatype(ind))
                for ind, prefix in enumerate(output_prefixes(readers))
            ),
            files=tuple(dict.fromkeys(files + shared_files(BUFFER))),
            generated={f"{module}.sv": text for module, text in wrappers},
            parameters={name: str(value) for name, value in parameters.items()},
        )


def stream_port(prefix: str, elements: int, datatype: BaseDataType) -> StreamPort:
    """The AXI-Stream port ``PREFIX_tdata/tvalid/tready`` of ``elements`` of ``datatype`` a beat."""
    bits = datatype.bitwidth()
    return StreamPort(
        tdata=f"{prefix}_tdata",
        tvalid=f"{prefix}_tvalid",
        tready=f"{prefix}_tready",
        width_bits=elements * bits,
        payload_bits=elements * bits,
        element_bits=bits,
    )
