"""Every legal folding of every node with what it takes, by the kernels' own models, and the streams between nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qonnx.custom_op.registry import getCustomOp

from board.io_spec import FrameLayout
from hw_build.base.errors import ConfigError
from hw_build.finn_rtl.hardware_node import rows_of
from hw_build.folding.legal import Folding, apply_folding, check_folding, foldings
from hw_build.kernels.fabric import fabric_of
from hw_build.kernels.stream_kernel import StreamKernel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

    from hw_build.kernels.rows import Rows


@dataclass(frozen=True, kw_only=True)
class Option:
    """One folding of one node. ``in_elements`` and ``out_elements``: elements a beat of each of its streams."""

    folding: Folding
    cycles: int
    luts: int
    bram18: int
    dsps: int
    uram: int = 0
    in_elements: tuple[int, ...]
    out_elements: tuple[int, ...]

    @property
    def beats(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What its neighbours see of it."""
        return self.in_elements, self.out_elements


@dataclass(frozen=True, kw_only=True)
class FoldableNode:
    """One node. ``*_shape`` are (H, W, C) of its first input and its output."""

    name: str
    op_type: str
    options: tuple[Option, ...]
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    rows: Rows


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A stream from output ``out`` of node ``source`` to input ``into`` of node ``target`` (indices)."""

    tensor: str
    source: int
    out: int
    target: int
    into: int
    element_bits: int


@dataclass(frozen=True, kw_only=True)
class Network:
    """Nodes in graph order, and the streams between them; those of the boundary are no edges.

    ``output_cycles``: what the output stage takes for a frame, a logit a cycle.
    """

    nodes: tuple[FoldableNode, ...]
    edges: tuple[Edge, ...]
    fixed: Mapping[str, Folding] = field(default_factory=dict)
    output_cycles: int = 0


def read_network(model: ModelWrapper, part: str, fixed: Mapping[str, Mapping[str, int | str]] | None = None) -> Network:
    """All options of ``model``'s nodes on ``part``. Nodes named in ``fixed`` have that one folding.

    Raises:
        ConfigError: a fixed folding is not legal, or it is not known which rows a node needs.
    """
    nodes, edges = [], []
    writers: dict[str, tuple[int, int]] = {}
    asked = fixed or {}
    fabric = fabric_of(part)
    taken = {
        node.name: check_folding(node, asked[node.name], fabric) for node in model.graph.node if node.name in asked
    }
    for index, node in enumerate(model.graph.node):
        streams = [name for name in node.input if name and model.get_initializer(name) is None]
        nodes.append(_foldable(model, node, streams, part, taken.get(node.name)))
        for into, tensor in enumerate(streams):
            if tensor in writers:
                source, out = writers[tensor]
                bits = model.get_tensor_datatype(tensor).bitwidth()
                edges.append(Edge(tensor=tensor, source=source, out=out, target=index, into=into, element_bits=bits))
        writers |= {tensor: (index, out) for out, tensor in enumerate(node.output)}
    return Network(nodes=tuple(nodes), edges=tuple(edges), fixed=taken, output_cycles=output_cycles(model))


def output_cycles(model: ModelWrapper) -> int:
    """Cycles of a frame in the output stage: its words, one logit each."""
    _, height, width, channels = model.get_tensor_shape(model.graph.input[0].name)
    classes = model.get_tensor_shape(model.graph.output[0].name)[-1]
    return FrameLayout(height, width, channels, classes).logit_words


def slower_node(name: str, cycles: int, folding: Folding, target_cycles: int) -> ConfigError:
    """The refusal of a target that node ``name`` misses even with ``folding``, its fastest."""
    how = ", ".join(f"{key}={value}" for key, value in folding.items())
    return ConfigError(
        f"node {name} takes {cycles:,} cycles a frame even fully unfolded ({how}), more than the target of "
        f"{target_cycles:,}: ask for a lower rate, or make the layer smaller"
    )


def refuse_slower_output(cycles: int, target_cycles: int) -> None:
    """ConfigError where the output stage takes more ``cycles`` a frame than the target has."""
    if cycles > target_cycles:
        raise ConfigError(
            f"the output stage takes {cycles:,} cycles a frame, one for each logit, more than the target of "
            f"{target_cycles:,}: ask for a lower rate"
        )


def _foldable(
    model: ModelWrapper, node: NodeProto, streams: list[str], part: str, fixed: Folding | None
) -> FoldableNode:
    rows, before, after = rows_of(node), model.get_tensor_shape(streams[0]), model.get_tensor_shape(node.output[0])
    if (rows.rows_in, rows.rows_out) != (before[1], after[1]):
        raise ConfigError(
            f"{node.name}: its attributes make {rows.rows_out} rows of {rows.rows_in}, its tensors have {after[1]} and "
            f"{before[1]}; lower the network again"
        )
    legal = [fixed] if fixed else foldings(node, fabric_of(part))
    return FoldableNode(
        name=node.name,
        op_type=node.op_type,
        options=tuple(_option(node, folding, len(streams), part) for folding in legal),
        in_shape=tuple(before[1:]),
        out_shape=tuple(after[1:]),
        rows=rows,
    )


def _option(node: NodeProto, folding: Folding, inputs: int, part: str) -> Option:
    operation = getCustomOp(node)
    apply_folding(operation, folding)
    return Option(
        folding=dict(folding),
        cycles=int(operation.get_exp_cycles()),
        luts=int(operation.lut_estimation(part)),
        bram18=int(operation.bram_estimation(part)),
        dsps=int(operation.dsp_estimation(part)),
        uram=int(operation.uram_estimation(part)),
        in_elements=tuple(
            operation.get_instream_width(i) // operation.get_input_datatype(i).bitwidth()
            for i in (operation.stream_inputs() if isinstance(operation, StreamKernel) else range(inputs))
        ),
        out_elements=tuple(
            operation.get_outstream_width(i) // operation.get_output_datatype(i).bitwidth()
            for i in range(len(node.output))
        ),
    )
