"""Poolings written as modules, of images and of volumes: their settings, in the order of torch's functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from quant.operators.operator import Operator

if TYPE_CHECKING:
    from torch import fx

    from quant.twin.written import Translator

_ADAPTIVE = (nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)


class AveragePoolModules(Operator):
    """AvgPool2d or AvgPool3d by ``pool``, the function of torch of either."""

    pool: Any

    def take(self, translator: Translator, module: Any, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """As the function."""
        settings = (module.kernel_size, module.stride, module.padding, module.ceil_mode, module.count_include_pad)
        return self.pool(translator, inputs[0], *settings, module.divisor_override, name=name)


class MaxPoolModules(Operator):
    """MaxPool2d or MaxPool3d by ``pool``, and the adaptive one by ``adaptive``."""

    pool: Any
    adaptive: Any

    def take(self, translator: Translator, module: Any, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """As the function."""
        if isinstance(module, _ADAPTIVE):
            return self.adaptive(translator, inputs[0], module.output_size, name=name)
        settings = (module.kernel_size, module.stride, module.padding, module.dilation)
        return self.pool(translator, inputs[0], *settings, module.ceil_mode, name=name)
