"""What stock FINN would make of the same network at the same rate: its own nodes, its own folding, its own estimates.

The graph of the step `lower` goes through FINN's conversions: ConvolutionInputGenerator, MVAU, VVAU for depthwise
layers, Thresholding, Pool, ElementwiseAdd, DuplicateStreams. FINN has no bilinear upsampling; what stands for it stays
unconverted and counts nothing; in HLS it is our C++ of it. FINN's SetFolding folds for the target, and every figure is
FINN's estimate (`res_estimation`, `exp_cycles_per_layer`): nothing here was synthesised or simulated, and FIFOs are not
in it. Its DSP estimate packs four products into a DSP whatever their widths.
"""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING

from finn.analysis.fpgadataflow.exp_cycles_per_layer import exp_cycles_per_layer
from finn.analysis.fpgadataflow.res_estimation import res_estimation

from hw_build.backends.hls.graph import hls_graph
from hw_build.backends.stock_finn import folded, stock_nodes
from hw_build.kernels import DOMAIN
from hw_build.report.data import Baseline

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

_COUNTED = {"LUT": "luts", "DSP": "dsps", "BRAM_18K": "bram18"}


def finn_baseline(lowered: ModelWrapper, target_cycles: int, part: str, *, hls: bool = False) -> Baseline:
    """FINN's estimates for the graph of the step `lower`, folded by FINN for ``target_cycles`` a frame on ``part``.

    With ``hls`` they are of the graph that the command ``hls`` makes: C++ wherever there is any, sums narrowed.
    """
    if hls:
        model = hls_graph(lowered, part, target_cycles)
    else:
        model = folded(stock_nodes(copy.deepcopy(lowered), part), target_cycles)
    resources, cycles = res_estimation(model, part), exp_cycles_per_layer(model)
    nodes: dict[str, Counter] = {}
    theirs = {node.name for node in model.graph.node if node.domain != DOMAIN} & set(resources)
    for node in model.graph.node:
        if node.name in theirs:
            figures = {name: round(resources[node.name].get(key, 0)) for key, name in _COUNTED.items()}
            nodes.setdefault(node.op_type, Counter()).update(figures | {"count": 1})
    return Baseline(
        backend="hls" if hls else "rtl",
        target_cycles=target_cycles,
        cycles_per_frame=max(cycles.values()),
        **{name: sum(figures[name] for figures in nodes.values()) for name in _COUNTED.values()},
        nodes={kind: dict(figures) for kind, figures in nodes.items()},
        not_in_finn=sorted(node.op_type for node in model.graph.node if node.name not in theirs),
    )
