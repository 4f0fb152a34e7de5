"""FINN RTL node -> RtlInstance, its generated sources in a given folder; one file a node.

FINN generates the module (``generate_hdl``); only Vivado's IP packaging around it is left out. FINN pads every stream
to whole bytes.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import BuildError, ConfigError
from hw_build.finn_rtl.node import FinnNode, library_folder
from hw_build.finn_rtl.sliding_window import SlidingWindow

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

    from hw_build.kernels.base import RtlInstance

SUPPORTED: dict[str, type[FinnNode]] = {f"{kind.name}_rtl": kind for kind in (SlidingWindow,)}


def rtl_instance(node: NodeProto, model: ModelWrapper, code_gen_dir: Path) -> RtlInstance:
    """Describe a FINN RTL node; generated sources go to ``code_gen_dir``.

    The node itself is not changed. Raises ConfigError when FINN refuses the node's attributes.
    """
    kind = SUPPORTED.get(node.op_type)
    if kind is None:
        raise BuildError(
            f"{node.name}: FINN node type {node.op_type} has no adapter, supported are {', '.join(sorted(SUPPORTED))}"
        )
    library_folder()
    code_gen_dir.mkdir(parents=True, exist_ok=True)
    custom_op = getCustomOp(copy.deepcopy(node))
    custom_op.set_nodeattr("code_gen_dir_ipgen", str(code_gen_dir))
    try:
        return kind(custom_op).rtl_instance(model, code_gen_dir)
    except AssertionError as error:
        raise ConfigError(f"{node.name} ({node.op_type}): FINN refuses it: {' '.join(str(error).split())}") from error
