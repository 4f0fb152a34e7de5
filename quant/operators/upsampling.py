"""What the forms of upsampling share: how people write them, as one module and one function for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from quant.operators import operators
from quant.operators.average_pool3d import AVERAGES_3D
from quant.operators.operator import Operator, refuse
from quant.operators.reduced_size import reduce_size
from quant.operators.spread import all_over
from quant.operators.volumes import SIDES

if TYPE_CHECKING:
    from onnx import NodeProto
    from torch import fx, nn

    from quant.integer.parse import Parser
    from quant.twin.written import Translator


class Upsampling(Operator):
    """Of one ``mode`` of Upsample and ``F.interpolate``."""

    mode: ClassVar[str]

    def made(self, factor: tuple[float, ...]) -> nn.Module | None:
        """The module that enlarges each side by its ``factor``; None where none lowers."""
        raise NotImplementedError

    def take(self, translator: Translator, module: nn.Module, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """As the function."""
        settings = {"mode": module.mode, "align_corners": module.align_corners}
        return interpolate(translator, inputs[0], **settings, name=name)


def factors_of(parser: Parser, node: NodeProto) -> tuple[int, ...] | None:
    """By which Resize enlarges each side, by constant scales; None where those are no whole numbers."""
    scales = parser.model.get_initializer(node.input[2]) if len(node.input) > 2 else None
    if scales is None or len(scales) not in (4, 5) or list(scales[:2]) != [1, 1]:
        return None
    factors = tuple(map(int, scales[2:]))
    return factors if min(factors) > 0 and factors == tuple(scales[2:]) else None


def interpolate(
    translator: Translator,
    x: fx.Node,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
    *,
    name: str | None = None,
) -> fx.Node:
    """By what it makes of the trace's image: a factor of 1 does nothing, one below 1 is a pool or a slice."""
    del size, scale_factor, recompute_scale_factor
    before, after = translator.shape(x), translator.shape_made()
    if after == before:
        return x
    if set(before[2:]) == {1}:
        return all_over(translator, x, name)
    factor = tuple(new / old for new, old in zip(after[2:], before[2:], strict=True))
    if len(factor) == SIDES and mode == "area" and max(factor) <= 1:
        return AVERAGES_3D.adaptive(translator, x, after[2:], name=name)
    if len(factor) == 2 and factor[0] == factor[1] < 1 and not (align_corners or antialias):
        return reduce_size(translator, x, int(before[2] / after[2]), mode, name)
    forms = [each for each in operators() if isinstance(each, Upsampling) and each.mode == mode]
    modules = [] if align_corners or antialias else [form.made(factor) for form in forms]
    made = next((module for module in modules if module is not None), None)
    if made is None:
        corners = ", align_corners=True (whose weights float32 rounds)" if align_corners else ""
        times = "x".join(f"{each:g}" for each in factor)
        lowers = (
            "mode='nearest' by whole factors, mode='trilinear', align_corners=False, by 1, 2, 4, 8, 16 or 32 along each"
            " axis, and mode='area' to a whole fraction have an integer form"
            if len(factor) == SIDES
            else "mode='nearest' by a whole factor, and mode='bilinear', align_corners=False, by 2, 4, 8, 16 or 32,"
            " lower"
        )
        refuse(f"resizes by {times}, mode='{mode}'{corners}; only {lowers}")
    return translator.emit(made, (x,), name)
