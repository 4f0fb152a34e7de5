"""The graph half of a build: the steps from an export to folded hardware nodes, and how each is verified.

    import -> convert -> streamline -> lower -> hardware -> specialize -> folding

Every step saves ``steps/NAME/graph.onnx``. Its graph is executed on golden images and each tensor is compared with the
graph before it; the first and the last graph are compared with the golden logits themselves.
`hw_build.flow.accelerator_steps` continues from the last graph to RTL and its simulation.
"""

from __future__ import annotations

import copy
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_build import lowering
from hw_build.base.arrays import write_arrays
from hw_build.base.errors import ConfigError, MismatchError
from hw_build.base.step_engine import Step
from hw_build.folding.apply import ACCOUNT, fold_as_asked
from hw_build.graph.editor import GraphEditor
from hw_build.lowering import lowering_steps
from hw_build.lowering.intake import load_graph, load_network
from hw_build.report.nodes import node_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from qonnx.core.modelwrapper import ModelWrapper

    from hw_build.base.board_config import Board
    from hw_build.base.export import Export
    from hw_build.folding.config import FoldingConfig

GRAPH = "graph.onnx"
IMPORT, FOLDING = "import", "folding"
MISMATCH = "mismatch"  # folder below the build directory for both sides of a difference


@dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """What a build is made from.

    ``frames`` golden images are executed by every graph in the verification; ``size_fifos``, ``synth`` and
    ``netlist`` add the steps `fifos`, `synth` and `netlist`.
    """

    export: Export
    board: Board
    out: Path
    folding: FoldingConfig
    frames: int = 1
    size_fifos: bool = False
    synth: bool = False
    netlist: bool = False

    def __post_init__(self) -> None:
        available = len(self.export.names)
        if not 1 <= self.frames <= available:
            raise ConfigError(f"--frames must be 1 to {available}, the number of golden images, got {self.frames}")


def graph_steps(config: BuildConfig) -> list[Step]:
    """The steps up to the folded hardware graph."""
    files = (config.export.model, config.export.golden)
    parameters = {"frames": config.frames}
    steps = [
        Step(
            name=IMPORT,
            run=lambda folder, needed: _import(config, folder),
            files=files,
            parameters=parameters,
        )
    ]
    transforms: list[tuple[str, Callable[[ModelWrapper], ModelWrapper], dict[str, Any]]]
    transforms = [(step.name, step.run, {"part": config.board.part}) for step in lowering_steps(config.board.part)]

    def fold(model: ModelWrapper) -> ModelWrapper:
        return fold_as_asked(model, config.folding, config.export.size, config.board)

    transforms.append((FOLDING, fold, {"folding": asdict(config.folding), "board": asdict(config.board)}))
    for name, transform, own in transforms:
        steps.append(_graph_step(config, name, transform, steps[-1].name, parameters={**parameters, **own}))
    return steps


def _import(config: BuildConfig, folder: Path) -> dict[str, Any]:
    model = load_network(config.export.model)
    model.save(str(folder / GRAPH))
    return {"verification": [_against_golden(config, model, IMPORT)]}


def _graph_step(
    config: BuildConfig,
    name: str,
    transform: Callable[[ModelWrapper], ModelWrapper],
    previous: str,
    *,
    parameters: Mapping[str, Any],
) -> Step:
    def run(folder: Path, needed: Mapping[str, Path]) -> dict[str, Any]:
        before = load_graph(needed[previous] / GRAPH)
        started = time.perf_counter()
        model = transform(copy.deepcopy(before))
        seconds = time.perf_counter() - started
        model.save(str(folder / GRAPH))
        lines = [_against_previous(config, before, model, name, previous)]
        facts = {"seconds": round(seconds, 3), "verification": lines}
        if name == FOLDING:
            lines.append(_against_golden(config, model, name))
            facts["nodes"] = node_facts(model, config.board.part)
            facts["folding"] = GraphEditor(model).metadata(ACCOUNT)
        return facts

    return Step(name=name, run=run, needs=(previous,), files=(config.export.golden,), parameters=parameters)


def _against_previous(
    config: BuildConfig, before: ModelWrapper, after: ModelWrapper, step: str, previous: str
) -> dict[str, Any]:
    started = time.perf_counter()
    codes = config.export.codes[: config.frames]
    tensors = lowering.verify(before, after, codes, config.out / MISMATCH, step)
    against = f"{previous}, {tensors} tensors of {images(config.frames)}"
    return verified(step, against, time.perf_counter() - started)


def _against_golden(config: BuildConfig, model: ModelWrapper, step: str) -> dict[str, Any]:
    started = time.perf_counter()
    logits = lowering.execute_codes(model, config.export.codes[: config.frames])
    compare_logits(logits, config.export.logits[: config.frames], config.export.names, step, config.out / MISMATCH)
    against = f"golden logits of {images(config.frames)}"
    return verified(step, against, time.perf_counter() - started)


def compare_logits(
    found: np.ndarray, expected: np.ndarray, names: Sequence[str], step: str, mismatch_dir: Path
) -> None:
    """Compares integer logits (N, H, W, classes) element by element.

    Raises:
        MismatchError: they differ; both are saved below ``mismatch_dir``.
    """
    if found.shape == expected.shape and np.array_equal(found, expected):
        return
    path = mismatch_dir / f"mismatch_{step}.npz"
    write_arrays(path, found=found, expected=expected)
    if found.shape != expected.shape:
        raise MismatchError(f"step {step}: logits {found.shape} do not fit the golden {expected.shape}; see {path}")
    differing = np.argwhere(found != expected)
    first = tuple(int(index) for index in differing[0])
    raise MismatchError(
        f"step {step}: {len(differing)} of {found.size} logits differ from the golden ones, first of image "
        f"{names[first[0]]} at {first[1:3]}: {found[first]} instead of {expected[first]}; both are in {path}"
    )


def verified(step: str, against: str, seconds: float) -> dict[str, Any]:
    """An entry of the verification, in the form in which a step's facts hold it."""
    return {"step": step, "exact": True, "against": against, "seconds": round(seconds, 3)}


def images(count: int) -> str:
    """``1 image``, ``2 images``."""
    return "1 image" if count == 1 else f"{count} images"
