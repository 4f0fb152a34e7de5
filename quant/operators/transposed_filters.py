"""What transposed convolutions of images and of volumes share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quant.operators.filters import Filters
from quant.operators.operator import refuse

if TYPE_CHECKING:
    from torch import nn

MIN_STRIDE = 2


class TransposedFilters(Filters):
    """Weights (I, O, ...), called with their input alone."""

    names = ("ConvTranspose",)
    output_axis = 1

    def settings(self, module: nn.Module) -> dict[str, Any]:
        """With the rows, columns and planes that it adds."""
        return {**super().settings(module), "output_padding": module.output_padding}

    def require_input_alone(self, inputs: tuple[Any, ...]) -> None:
        """Refuses an output_size."""
        if len(inputs) != 1:
            refuse("is called with an output_size; give the module padding and output_padding instead")
