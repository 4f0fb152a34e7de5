"""Reads ONNX files, with the external data that lie beside them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, TensorProto
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data
from qonnx.core.modelwrapper import ModelWrapper

from hw_build.base.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator


def load_graph(path: Path) -> ModelWrapper:
    """The graph in the ONNX file at ``path`` as it stands there, external data loaded.

    Raises:
        BuildError: there is no such file, it is no network, or its external data are missing or too short.
    """
    path = Path(path)
    if path.is_dir():
        raise BuildError(f"model {path} is a folder: give an ONNX file, of an export its model.qonnx")
    if not path.is_file():
        raise BuildError(f"model {path} does not exist")
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except (DecodeError, ValueError, AttributeError) as error:
        raise BuildError(f"model {path} is not an ONNX file") from error
    if not proto.graph.node:
        raise BuildError(f"model {path} holds no network: its graph has no nodes")
    _require_each_name_once(proto.graph, path)
    _load_external_data(proto, path)
    return ModelWrapper(proto)


def _require_each_name_once(graph: GraphProto, path: Path) -> None:
    """BuildError where two inputs, outputs or constants have one name; a shape that is told twice is told once."""
    for what, entries in (("inputs and outputs", [*graph.input, *graph.output]), ("constants", graph.initializer)):
        names = Counter(entry.name for entry in entries)
        if twice := [name for name, count in names.items() if count > 1]:
            raise BuildError(f"model {path} has two {what} of the name {twice[0]}: export it again")
    known = {entry.name for entry in [*graph.input, *graph.output]}
    for value in list(graph.value_info):
        if value.name in known:
            graph.value_info.remove(value)
        known.add(value.name)


def _load_external_data(proto: ModelProto, path: Path) -> None:
    for tensor in _tensors(proto.graph):
        if not uses_external_data(tensor):
            continue
        location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        if not (path.parent / location).is_file():
            raise BuildError(
                f"model {path} keeps tensor {tensor.name} in the file '{location}' beside it, which is missing: put it "
                "there, or save the model with its data inside"
            )
        try:
            load_external_data_for_tensor(tensor, str(path.parent))
            del tensor.external_data[:]
            tensor.data_location = TensorProto.DEFAULT
            onnx.numpy_helper.to_array(tensor)
        except (onnx.checker.ValidationError, ValueError, OSError) as error:
            raise BuildError(
                f"model {path}: the file '{location}' beside it does not hold tensor {tensor.name} as the model says "
                f"({error}): save the model again"
            ) from error


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Initializers and tensors in attributes, those of inner graphs too."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from [attribute.t] if attribute.HasField("t") else attribute.tensors
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _tensors(inner)
