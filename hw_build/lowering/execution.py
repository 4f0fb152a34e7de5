"""Execution of the network in any of its forms on the same codes, and the comparison of one form with the next.

Each step leaves its conventions in metadata (JSON text): ``edgeseg_input`` is "float_nchw" (absent: the exported
network), "codes_nchw" or "codes_nhwc"; ``edgeseg_input_scale`` and ``edgeseg_output_scale`` are what one code and one
logit step are worth. A tensor that has the same name in two forms has the same values there.
"""

from __future__ import annotations

import copy
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from finn.core.onnx_exec import execute_onnx
from qonnx.core.modelwrapper import ModelWrapper

from hw_build.errors import BuildError, MismatchError
from hw_build.lowering.convert import convert
from hw_build.lowering.graph import GraphEditor
from hw_build.lowering.rules import QUANT, is_weight_quant
from hw_build.lowering.streamline import streamline


@contextmanager
def _exact_tensors():
    """Keep qonnx from rounding tensors to their annotation while it executes: we compare what nodes computed."""
    before = os.environ.get("SANITIZE_QUANT_TENSORS")
    os.environ["SANITIZE_QUANT_TENSORS"] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ["SANITIZE_QUANT_TENSORS"]
        else:
            os.environ["SANITIZE_QUANT_TENSORS"] = before


def export_scales(model: ModelWrapper) -> tuple[float, float]:
    """(input scale, output scale) of an exported network, by the passes that compute them for its later forms."""
    converted = streamline(convert(copy.deepcopy(model)))
    return tuple(GraphEditor(converted).metadata(f"edgeseg_{side}_scale") for side in ("input", "output"))


def _layout(model: ModelWrapper) -> str:
    return GraphEditor(model).metadata("edgeseg_input", "float_nchw")


def _input_of(model: ModelWrapper, codes: np.ndarray) -> np.ndarray:
    """Codes (1, H, W, C) uint8 as this form of the network takes them."""
    shape = tuple(model.get_tensor_shape(model.graph.input[0].name))
    layout = _layout(model)
    values = codes.astype(np.float32)
    if layout != "codes_nhwc":
        values = values.transpose(0, 3, 1, 2)
    if layout == "float_nchw":
        values = values * np.float32(_scales(model)[0])
    if values.shape != shape:
        raise BuildError(
            f"the network takes input of shape {shape}, the image gives {values.shape}: set the input size"
        )
    return np.ascontiguousarray(values)


def _scales(model: ModelWrapper) -> tuple[float, float]:
    """(input, output) scale; computed once for an exported network and then kept in its metadata."""
    graph = GraphEditor(model)
    if (
        graph.metadata("edgeseg_input") is not None
    ):  # a later form, which may have inherited the exported one's metadata
        return graph.metadata("edgeseg_input_scale"), _converted_scale(graph)
    if graph.metadata("edgeseg_export_scales") is None:
        graph.set_metadata(edgeseg_export_scales=export_scales(model))
    return graph.metadata("edgeseg_export_scales")


def _converted_scale(graph: GraphEditor) -> float:
    """Output scale of the form after `convert`: integer once streamlined, else what streamlining finds."""
    if graph.is_integer(graph.outputs[0]):
        return 1.0
    model = streamline(copy.deepcopy(graph.model))
    return GraphEditor(model).metadata("edgeseg_output_scale")


def execute_context(model: ModelWrapper, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor of one frame: codes (1, H, W, C) uint8 -> name -> array, 4-dimensional ones as NHWC."""
    if codes.dtype != np.uint8 or codes.ndim != 4 or codes.shape[0] != 1:
        raise BuildError(f"codes are {codes.dtype} of shape {codes.shape}: uint8 (1, H, W, C) is needed")
    with _exact_tensors():
        context = execute_onnx(model, {model.graph.input[0].name: _input_of(model, codes)}, True)
    constants = {entry.name for entry in model.graph.initializer}
    values = {name: value for name, value in context.items() if name not in constants and value is not None}
    if _layout(model) != "codes_nhwc":
        values = {name: value.transpose(0, 2, 3, 1) if np.ndim(value) == 4 else value for name, value in values.items()}
    return values


def _to_logits(model: ModelWrapper, values: np.ndarray) -> np.ndarray:
    steps = values.astype(np.float64) / _scales(model)[1]
    if np.any(steps != np.round(steps)):
        raise MismatchError(f"the logits are not whole multiples of the output scale {_scales(model)[1]}")
    return steps.astype(np.int64)


def execute_codes(model: ModelWrapper, codes: np.ndarray) -> np.ndarray:
    """uint8 codes (N, H, W, C) -> int64 logits (N, H, W, classes), whichever form of the network ``model`` is."""
    output = model.graph.output[0].name
    return np.concatenate(
        [_to_logits(model, execute_context(model, codes[index : index + 1])[output]) for index in range(len(codes))]
    )


def comparable_tensors(before: ModelWrapper, after: ModelWrapper) -> list[str]:
    """Names in the order of ``after`` that both forms have and that hold codes or quantized activations in both."""
    first, second = GraphEditor(before), GraphEditor(after)
    quantized = {node.output[0] for node in first.nodes if node.op_type in QUANT and not is_weight_quant(first, node)}
    names = [name for node in second.sorted_nodes() for name in node.output if name in first.shapes]
    return [name for name in names if name in quantized or (first.is_integer(name) and second.is_integer(name))]


def verify(before: ModelWrapper, after: ModelWrapper, codes: np.ndarray, out_dir: Path, step_name: str) -> int:
    """Execute both forms on ``codes`` (N, H, W, C); returns how many tensors were compared per frame, logits included.

    Raises MismatchError naming the first tensor (in execution order of ``after``) that differs, and leaves
    ``out_dir/mismatch_<step>.npz`` with ``before``, ``after``, ``codes`` and ``tensor``.
    """
    names = comparable_tensors(before, after)
    for index in range(len(codes)):
        frame = codes[index : index + 1]
        first, second = execute_context(before, frame), execute_context(after, frame)
        for name in names:
            _compare(name, first[name], second[name], frame, index, out_dir, step_name)
        logits = [
            _to_logits(model, values[model.graph.output[0].name])
            for model, values in ((before, first), (after, second))
        ]
        _compare("integer logits", *logits, frame, index, out_dir, step_name)
    return len(names) + 1


def _compare(
    name: str, first: np.ndarray, second: np.ndarray, codes: np.ndarray, index: int, out_dir: Path, step_name: str
) -> None:
    if first.shape == second.shape and np.array_equal(first, second):
        return
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / f"mismatch_{step_name}.npz"
    np.savez_compressed(path, before=first, after=second, codes=codes, tensor=name)
    if first.shape != second.shape:
        what = f"has shape {first.shape} before and {second.shape} after"
    else:
        where = tuple(int(i) for i in np.argwhere(first != second)[0])
        count = int(np.count_nonzero(first != second))
        values = f"{first[where]:g} before, {second[where]:g} after"
        what = f"differs in {count} of {first.size} elements, first at {where}: {values}"
    raise MismatchError(f"step {step_name}: tensor {name} of frame {index} {what}; both are in {path}")
