"""The frames that a demo streams: the user's image followed by a golden one, with the expected logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hw_build.flow.graph_steps import GRAPH, IMPORT
from hw_build.lowering import execute_codes
from hw_build.lowering.intake import load_graph

if TYPE_CHECKING:
    from pathlib import Path

    from hw_build.base.export import Export


@dataclass(frozen=True)
class DemoFrames:
    """``codes`` (2, H, W, C), the image first; ``logits`` (2, H, W, classes), and the origin of the image's logits."""

    codes: np.ndarray
    logits: np.ndarray
    names: list[str]
    against: str


def demo_frames(export: Export, build_dir: Path, codes: np.ndarray, name: str) -> DemoFrames:
    """Returns ``codes`` (H, W, C) followed by a golden image that differs: two frames show the steady interval.

    The logits of an image of the golden data are the golden ones; for other images the exported network is executed.
    """
    known = [index for index, golden in enumerate(export.codes) if np.array_equal(golden, codes)]
    if known:
        expected, against = export.logits[known[:1]], "golden logits"
    else:
        model = load_graph(build_dir / "steps" / IMPORT / GRAPH)
        expected, against = execute_codes(model, codes[None]), "QONNX execution"
    second = next((index for index in range(len(export.codes)) if index not in known), 0)
    return DemoFrames(
        np.stack([codes, export.codes[second]]),
        np.concatenate([expected, export.logits[second : second + 1]]),
        [name, export.names[second]],
        against,
    )
