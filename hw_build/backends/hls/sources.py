"""A graph of FINN's nodes -> one folder a layer: C++ and a Vitis HLS script, or the RTL where FINN has nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from finn.util.settings import initialize_dummy_settings
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import BuildError
from hw_build.base.step_engine import fresh_folder

if TYPE_CHECKING:
    from pathlib import Path

    from qonnx.core.modelwrapper import ModelWrapper

GRAPH = "graph.onnx"
_TEXTS = (".cpp", ".hpp", ".h", ".tcl", ".v", ".sv")


def write_sources(model: ModelWrapper, folder: Path, part: str, clk_period_ns: float) -> None:
    """Writes ``folder/NODE/`` for every node, and ``folder/graph.onnx``, whose nodes know their folders.

    Raises:
        BuildError: FINN cannot generate a layer, which it names.
    """
    folder = folder.resolve()
    with fresh_folder(folder) as partial:
        _default_settings(partial)
        for node in model.graph.node:
            op, layer = getCustomOp(node), partial / node.name
            layer.mkdir()
            op.set_nodeattr("code_gen_dir_ipgen", str(layer))
            try:
                op.code_generation_ipgen(model, part, clk_period_ns)
            except OSError:
                raise
            except Exception as error:  # FINN raises just that
                raise BuildError(f"FINN cannot generate {node.name}: {error}; take this project's RTL") from error
        # FINN writes absolute paths, into its sources and into its nodes
        for path in partial.rglob("*"):
            if path.suffix in _TEXTS:
                path.write_text(path.read_text().replace(str(partial), str(folder)))
        for node in model.graph.node:
            for attribute in (attribute for attribute in node.attribute if attribute.s):
                attribute.s = attribute.s.replace(str(partial).encode(), str(folder).encode())
        model.save(str(partial / GRAPH))


def _default_settings(folder: Path) -> None:
    """FINN reads settings of its command line; without any its defaults serve, and the user's home is left alone."""
    named = "FINN_SETTINGS" in os.environ
    os.environ.setdefault("FINN_SETTINGS", str(folder / "settings.yaml"))
    initialize_dummy_settings()
    if not named:
        del os.environ["FINN_SETTINGS"]
