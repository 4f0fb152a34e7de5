"""Execution of the network in any of its forms on the same codes, and the comparison of one form with the next.

A tensor that has the same name in two forms has the same values there (see `forms` for input and output conventions).
"""

from __future__ import annotations

import math
import os
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from finn.core.onnx_exec import execute_onnx
from qonnx.core.modelwrapper import ModelWrapper

from hw_build.base.arrays import write_arrays
from hw_build.base.errors import MismatchError
from hw_build.graph.editor import GraphEditor
from hw_build.lowering.exact_sums import with_exact_sums
from hw_build.lowering.forms import CODES_NHWC, input_layout, input_of, scales
from hw_build.lowering.rules import GIVE_CODES, is_weight_quant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_ROUNDING = 0.125  # of a step: what float32 may add to a logit whose scale is no power of two


@contextmanager
def _exact_tensors() -> Iterator[None]:
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


@lru_cache(maxsize=1)
def _execute(serialized: bytes, source: bytes, exact_sums: bool) -> dict[str, np.ndarray]:
    """All tensors of one frame. The graph after one step is the graph before the next: it is not executed again."""
    model = ModelWrapper(serialized)
    name = model.graph.input[0].name
    values = np.frombuffer(source, np.float32).reshape(model.get_tensor_shape(name))
    if exact_sums and input_layout(model) != CODES_NHWC:
        model = with_exact_sums(model)
    with _exact_tensors():
        context = execute_onnx(model, {name: values}, True)
    constants = {entry.name for entry in model.graph.initializer}
    found = {name: value for name, value in context.items() if name not in constants and value is not None}
    if input_layout(model) == CODES_NHWC:
        return found
    return {name: value.transpose(0, 2, 3, 1) if np.ndim(value) == 4 else value for name, value in found.items()}


def execute_context(model: ModelWrapper, codes: np.ndarray, *, exact_sums: bool = True) -> dict[str, np.ndarray]:
    """Every tensor of one frame: codes (1, H, W, C) uint8 -> name -> array to read, 4-dimensional ones as NHWC.

    Without ``exact_sums`` float32 adds what convolutions of real values sum up, in an order of its own.
    """
    source = input_of(model, codes)
    return _execute(model.model.SerializeToString(deterministic=True), source.tobytes(), exact_sums)


def to_logits(values: np.ndarray, step: float) -> np.ndarray:
    """Real logits -> int64 multiples of ``step``; with a scale that is no power of two, to float32's own rounding.

    Raises:
        MismatchError: they are no multiples.
    """
    steps = values.astype(np.float64) / step
    logits = np.round(steps)
    allowed = 0.0 if math.frexp(step)[0] == 0.5 else LARGEST_ROUNDING
    if np.any(np.abs(steps - logits) > allowed):
        raise MismatchError(
            f"the logits are not whole multiples of the output scale {step}: up to {np.abs(steps - logits).max():.3g} "
            f"of a step beside one, where {allowed:g} is allowed"
        )
    return logits.astype(np.int64)


def _to_logits(model: ModelWrapper, values: np.ndarray) -> np.ndarray:
    return to_logits(values, scales(model)[1])


def execute_codes(model: ModelWrapper, codes: np.ndarray) -> np.ndarray:
    """uint8 codes (N, H, W, C) -> int64 logits (N, H, W, classes), whichever form of the network ``model`` is."""
    output = model.graph.output[0].name
    return np.concatenate(
        [_to_logits(model, execute_context(model, codes[index : index + 1])[output]) for index in range(len(codes))]
    )


def comparable_tensors(before: ModelWrapper, after: ModelWrapper) -> list[str]:
    """Names in the order of ``after`` that both forms have and that hold codes or quantized activations in both."""
    first, second = GraphEditor(before), GraphEditor(after)
    of_codes = (node for node in first.nodes if node.op_type in GIVE_CODES and not is_weight_quant(first, node))
    quantized = {node.output[0] for node in of_codes}
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
        logits_before, logits_after = (
            _to_logits(model, values[model.graph.output[0].name])
            for model, values in ((before, first), (after, second))
        )
        _compare("integer logits", logits_before, logits_after, frame, index, out_dir, step_name)
    return len(names) + 1


def _compare(
    name: str, first: np.ndarray, second: np.ndarray, codes: np.ndarray, index: int, out_dir: Path, step_name: str
) -> None:
    if first.shape == second.shape and np.array_equal(first, second):
        return
    path = out_dir / f"mismatch_{step_name}.npz"
    write_arrays(path, before=first, after=second, codes=codes, tensor=np.array(name))
    if first.shape != second.shape:
        what = f"has shape {first.shape} before and {second.shape} after"
    else:
        where = tuple(int(i) for i in np.argwhere(first != second)[0])
        count = int(np.count_nonzero(first != second))
        values = f"{first[where]:g} before, {second[where]:g} after"
        what = f"differs in {count} of {first.size} elements, first at {where}: {values}"
    raise MismatchError(f"step {step_name}: tensor {name} of frame {index} {what}; both are in {path}")
