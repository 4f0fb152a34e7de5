"""An export as the design points take it: lowered once, whatever the size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.lowering import lowering_steps
from hw_build.lowering.intake import load_network

if TYPE_CHECKING:
    from hw_build.base.export import Export


def lowered_network(export: Export, part: str) -> bytes:
    """The network of ``export`` as hardware nodes, serialised."""
    model = load_network(export.model)
    for step in lowering_steps(part):
        model = step.run(model)
    return model.model.SerializeToString()
