"""A graph unpacked into dictionaries, edited, and written back once.

qonnx's ModelWrapper searches its protobuf lists for every shape, initializer, producer or datatype it is asked for,
and a stock pass that changes one node at a time copies and cleans the whole model after each: on a graph of 600 nodes
that, not the arithmetic, takes the minutes. Our passes collect their matches on this editor, edit, and `commit` once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import NodeProto, StringStringEntryProto, TensorAnnotation, TensorProto, helper, numpy_helper
from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import LoweringError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qonnx.core.modelwrapper import ModelWrapper

QONNX_DOMAIN = "qonnx.custom_op.general"
ONNX_DOMAINS = ("", "ai.onnx")
CHANNELS_LAST_DOMAIN = "qonnx.custom_op.channels_last"
GLOBAL_IN, GLOBAL_OUT = "global_in", "global_out"  # input and output of the lowered graph
CHANNELS_LAST = (
    "is a channels-last form that could not be turned back to channels first: export with channels first (NCHW)"
)


def label(node: NodeProto) -> str:
    """The node as a user finds it: its name, or its output where the exporter gave none."""
    return node.name or f"producing {node.output[0]}"


def reject(node: NodeProto, why: str, operator: str = "") -> LoweringError:
    """The error for ``node``; it carries the node's name for `hw_build.flow.check`.

    ``operator``: what it is to a user, where the steps of lowering have made another type of it.
    """
    error = LoweringError(f"node {label(node)} ({operator or node.op_type}) {why}")
    error.node_name = label(node)
    return error


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """Attribute ``name`` as a Python value (text decoded), or ``default``."""
    for entry in node.attribute:
        if entry.name == name:
            value = helper.get_attribute_value(entry)
            return value.decode() if isinstance(value, bytes) else value
    return default


def set_attribute(node: NodeProto, name: str, value: Any) -> None:
    """Set or replace attribute ``name``."""
    kept = [entry for entry in node.attribute if entry.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def smallest_integer_type(low: int, high: int) -> BaseDataType:
    """The narrowest INTn or UINTn (n >= 2) that holds every integer of [low, high]."""
    if low >= 0:
        return DataType[f"UINT{max(2, int(high).bit_length())}"]
    return DataType[f"INT{max(2, 1 + max(int(-low - 1).bit_length(), int(max(high, 0)).bit_length()))}"]


class GraphEditor:
    """Nodes, constants, shapes and datatypes of ``model`` as plain Python; nothing reaches the model before `commit`.

    ``shapes`` hold every tensor but constants whose shape is known, 0 where a size is not, and every graph input and
    output; ``datatypes`` only annotated ones. Node identity is object identity.
    """

    def __init__(self, model: ModelWrapper):
        graph = model.graph
        self.model = model
        self.nodes: list[NodeProto] = []
        for node in graph.node:
            copy = NodeProto()
            copy.CopyFrom(node)
            self.nodes.append(copy)
        self.constants = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
        self.shapes = {
            value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
            for value in [*graph.value_info, *graph.input, *graph.output]
            if value.name not in self.constants
        }
        for value in graph.value_info:
            if not value.type.tensor_type.HasField("shape"):
                self.shapes.pop(value.name, None)
        self.inputs = [value.name for value in graph.input if value.name not in self.constants]
        self.outputs = [value.name for value in graph.output]
        self.datatypes: dict[str, BaseDataType] = {}
        for note in graph.quantization_annotation:
            for entry in note.quant_parameter_tensor_names:
                if entry.key == "finn_datatype":
                    self.datatypes[note.tensor_name] = DataType[entry.value]
        self._index: tuple[dict[str, NodeProto], dict[str, list[NodeProto]]] | None = None
        self._names = {name for node in self.nodes for name in [*node.input, *node.output]}
        self._names |= set(self.constants) | set(self.shapes)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _maps(self) -> tuple[dict[str, NodeProto], dict[str, list[NodeProto]]]:
        if self._index is None:
            producers = {name: node for node in self.nodes for name in node.output}
            consumers: dict[str, list[NodeProto]] = {}
            for node in self.nodes:
                for name in dict.fromkeys(node.input):
                    consumers.setdefault(name, []).append(node)
            self._index = producers, consumers
        return self._index

    def producer(self, tensor: str) -> NodeProto | None:
        """The node that writes ``tensor``; None for a graph input or a constant."""
        return self._maps()[0].get(tensor)

    def writer(self, tensor: str) -> NodeProto:
        """The node that writes ``tensor``, where it is known that one does."""
        return self._maps()[0][tensor]

    def consumers(self, tensor: str) -> list[NodeProto]:
        """The nodes that read ``tensor``, each once."""
        return self._maps()[1].get(tensor, [])

    def of_type(self, *op_types: str) -> list[NodeProto]:
        """Nodes of these operators, in graph order."""
        return [node for node in self.nodes if node.op_type in op_types]

    def dynamic_inputs(self, node: NodeProto) -> list[str]:
        """Inputs of ``node`` that depend on the image."""
        return [name for name in node.input if name and name not in self.constants]

    def is_integer(self, tensor: str) -> bool:
        """Whether ``tensor`` is annotated with an integer datatype."""
        return tensor in self.datatypes and self.datatypes[tensor].is_integer()

    @property
    def opset(self) -> int:
        """Of ONNX' own operators."""
        return max(entry.version for entry in self.model.model.opset_import if entry.domain in ONNX_DOMAINS)

    def metadata(self, key: str, default: Any = None) -> Any:
        """A metadata property of the model, stored as JSON."""
        text = self.model.get_metadata_prop(key)
        return default if text is None else json.loads(text)

    def told(self, tensor: str) -> str:
        """The integers ``tensor`` as a user finds them, who knows no tensor that lowering has added."""
        node = self.producer(tensor)
        return "the image" if node is None else f"the output of {label(node)}"

    # -- editing ---------------------------------------------------------------------------------------------------

    def touch(self) -> None:
        """To be called after a node's inputs or outputs were changed in place."""
        self._index = None

    def unique(self, base: str) -> str:
        """``base``, or ``base`` with the first free number after it."""
        name, number = base, 1
        while name in self._names:
            name, number = f"{base}_{number}", number + 1
        self._names.add(name)
        return name

    def add_tensor(self, base: str, shape: Iterable[int], datatype: BaseDataType | None = None) -> str:
        """Declare a tensor with a name made from ``base``; returns the name."""
        name = self.unique(base)
        self.shapes[name] = tuple(int(size) for size in shape)
        if datatype is not None:
            self.datatypes[name] = datatype
        return name

    def add_constant(
        self, base: str, value: Any, datatype: BaseDataType | None = None, dtype: np.typing.DTypeLike = np.float32
    ) -> str:
        """Store ``value`` as float32 (or ``dtype``) under a name made from ``base``; returns the name."""
        name = self.unique(base)
        self.constants[name] = np.asarray(value, dtype=dtype)
        if datatype is not None:
            self.datatypes[name] = datatype
        return name

    def add_node(
        self, op_type: str, inputs: list[str], outputs: list[str], *, domain: str = "", name: str = "", **attributes
    ) -> NodeProto:
        """Append a node; `commit` sorts."""
        node = helper.make_node(op_type, inputs, outputs, name=name, domain=domain, **attributes)
        self.nodes.append(node)
        self._names.update(outputs)
        self.touch()
        return node

    def remove(self, *nodes: NodeProto) -> None:
        """Take nodes out; their tensors vanish at `commit` when nobody uses them."""
        gone = {id(node) for node in nodes}
        self.nodes = [node for node in self.nodes if id(node) not in gone]
        self.touch()

    def rename_uses(self, old: str, new: str) -> None:
        """Let every consumer of ``old`` read ``new``."""
        for node in self.consumers(old):
            for position, name in enumerate(node.input):
                if name == old:
                    node.input[position] = new
        self.touch()

    def rename(self, old: str, new: str) -> None:
        """Call the tensor ``old`` ``new``, where it is written, read and described."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for position, name in enumerate(names):
                    if name == old:
                        names[position] = new
        tables: tuple[dict[str, Any], ...] = (self.constants, self.shapes, self.datatypes)
        for table in tables:
            if old in table:
                table[new] = table.pop(old)
        for ends in (self.inputs, self.outputs):
            ends[:] = [new if name == old else name for name in ends]
        self.touch()

    def set_metadata(self, **properties: Any) -> None:
        """Store metadata properties as JSON."""
        for key, value in properties.items():
            self.model.set_metadata_prop(key, json.dumps(value))

    # -- writing back ----------------------------------------------------------------------------------------------

    def sorted_nodes(self) -> list[NodeProto]:
        """Live nodes (those that an output depends on) in topological order, each after its producers, depth first.

        Raises:
            LoweringError: a node depends on its own output.
        """
        producers, _ = self._maps()
        order: list[NodeProto] = []
        done: set[int] = set()
        entered: set[int] = set()  # on the way from an output to the node in hand
        stack: list[tuple[NodeProto, bool]] = [
            (producers[name], False) for name in reversed(self.outputs) if name in producers
        ]
        while stack:
            node, ready = stack.pop()
            if id(node) in done:
                continue
            if ready:
                done.add(id(node))
                order.append(node)
                continue
            if id(node) in entered:
                raise LoweringError(f"node {label(node)} depends on its own output: remove the cycle")
            entered.add(id(node))
            stack.append((node, True))
            stack.extend((producers[name], False) for name in reversed(node.input) if name in producers)
        return order

    def commit(self) -> None:
        """Write the live part of the graph into the model, sorted, without constants and annotations nobody uses."""
        graph = self.model.graph
        self.nodes = self.sorted_nodes()
        self.touch()
        used = {name for node in self.nodes for name in [*node.input, *node.output] if name}
        used |= set(self.inputs) | set(self.outputs)
        for field in (graph.node, graph.initializer, graph.value_info, graph.input, graph.output):
            del field[:]
        del graph.quantization_annotation[:]
        graph.node.extend(self.nodes)
        for name in sorted(used & set(self.constants)):
            value = self.constants[name]
            graph.initializer.append(numpy_helper.from_array(value, name))
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            graph.value_info.append(helper.make_tensor_value_info(name, kind, value.shape))
        for name in self.inputs:
            graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shapes[name]))
        for name in self.outputs:
            graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shapes[name]))
        produced = [
            name for node in self.nodes for name in node.output if name not in self.outputs and name in self.shapes
        ]
        for name in produced:
            graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shapes[name]))
        for name in sorted(used & set(self.datatypes)):
            entry = StringStringEntryProto(key="finn_datatype", value=self.datatypes[name].name)
            graph.quantization_annotation.append(
                TensorAnnotation(tensor_name=name, quant_parameter_tensor_names=[entry])
            )
