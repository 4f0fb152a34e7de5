"""An export in the form that design points use: lowered once, for all sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.lowering import lowering_steps
from hw_build.lowering.intake import load_network

if TYPE_CHECKING:
    from hw_build.base.export import Export


def lowered_network(export: Export, part: str) -> bytes:
    """Returns the network of ``export`` as hardware nodes, serialised."""
    model = load_network(export.model)
    for step in lowering_steps(part):
        model = step.run(model)
    return model.model.SerializeToString()
