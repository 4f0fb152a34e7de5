"""Moves BN shifts, and factors, so that no activation threshold lies near an integer accumulator.

With integer inputs and weights a convolution's accumulator is an integer ``a``; BN and quantizer give code >= k exactly
where ``a`` has reached the real threshold T_k (is above it, or below it where the BN's factor is negative). Only where
T_k lies close to an integer can float32 rounding decide a code, differently in each implementation. The n thresholds of
a channel leave a gap of at least 1/n somewhere in their fractional parts, so that a shift of at most half an
accumulator step puts each of them at least 1/(2n) from every integer: then all implementations agree.

More than ``_FEW`` thresholds leave no such gap, nor do fewer where accumulators are so large that float32 rounds them
by more, as of 8-bit weights on pixels. There the BN's factor moves as well, so that the spacing of a channel's
thresholds (accumulator steps per code) becomes a fraction p/d: their fractional parts are then a grid of 1/d, and the
shift puts the integers into the middles of its meshes, 1/(2d) away. d is as small as a change of the factor by 1 in
1,000 allows, and at most what a float32 evaluation of the BN does, whose error grows with the accumulator: of 8-bit
layers with their hundreds of steps per code, 1 to 5.

Each channel moves no further than it must: accumulators of 4-bit layers are small, so that moving a threshold by half a
step changes codes. On a half-trained w4a4 CMUNeXt-XXS (BUSI, pooled IoU 0.542) going to the middle of the largest gap
everywhere cost 0.030 of it, the shortest moves 0.001.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import torch
from torch import nn

from quant.layers.frozen_norm import affine_of
from quant.operators import operator_of
from quant.operators.filters import by_output
from quant.twin.activations import ACTIVATIONS, formula, why_not_exported
from quant.twin.quantized_layers import QuantizedActivation
from quant.twin.twin import Twin, quantizer_of

if TYPE_CHECKING:
    from quant.twin.structure import ConvSite, MultiplesSite, TableSite

SETTLED_DISTANCE = 0.02
_TABLE_DISTANCE = 5e-4  # of values from the border of two codes, in codes: more than float32 implementations differ
_ROUNDING_ROOM = 1.05  # aimed at, so that rounding the shift to float32 leaves SETTLED_DISTANCE
_CLOSE_ENOUGH = 0.95
_FEW = 23  # so many thresholds always leave a gap of twice the distance aimed at
_ROUNDINGS_OF_OUTPUT = 4  # of float32, after a BN's parameters: they bound by how much its thresholds are off
_ROUNDINGS_OF_PARAMETERS = 2
_LEAST_CHANGE = 1e-3  # of a BN's factor: a quarter of a code at the top of 8 bits
_MOST = 0.4  # where only half a step would do, and rounding the shift takes some of it
_UNIT_ROUNDOFF = 2.0**-24


@dataclass(frozen=True)
class Margin:
    """Smallest distance of a channel's threshold from an integer accumulator, of all channels of ``conv``."""

    conv: str
    distance: float


@dataclass(frozen=True)
class _Affine:
    """Thresholds of a convolution's channels on its integer accumulator, and what moves them."""

    norm: nn.BatchNorm2d
    thresholds: torch.Tensor  # (O, n) float64, in accumulator steps
    reachable: torch.Tensor  # (O, n) bool: whether an accumulator can get there
    shift_per_step: torch.Tensor  # (O,) what the BN's bias must gain to move the thresholds by minus one step
    spacing: torch.Tensor  # (O,) accumulator steps per code
    mean: torch.Tensor  # (O,) the BN's, in accumulator steps: there the factor does not matter
    bias: torch.Tensor  # (O,) the BN's, in accumulator steps

    def distances_wanted(self, channel: int) -> tuple[float, float]:
        """How far from the integers the channel's thresholds must be, and are moved where they are not."""
        enough, aim = SETTLED_DISTANCE, _ROUNDING_ROOM * SETTLED_DISTANCE
        if not self.reachable[channel].any():
            return enough, aim
        terms = self.thresholds[channel][self.reachable[channel]].abs().max() + self.mean[channel].abs()
        rounding = _UNIT_ROUNDOFF * float(terms + self.bias[channel].abs())
        if self.thresholds.shape[1] <= _FEW and _ROUNDINGS_OF_OUTPUT * rounding <= enough:
            return enough, aim
        enough = min(max(enough, _ROUNDINGS_OF_OUTPUT * rounding), _MOST)
        return enough, max(aim, enough) + _ROUNDINGS_OF_PARAMETERS * rounding


def threshold_margins(twin: Twin, sites: list[ConvSite]) -> list[Margin]:
    """Margin of each convolution whose chain has thresholds."""
    return [Margin(site.conv, float(_distances(_affine(twin, site)).min())) for site in sites if _settles(twin, site)]


def settle_thresholds(twin: Twin, sites: list[ConvSite]) -> int:
    """Moves BNs, by about half an accumulator step at most, until thresholds keep their distance from the integers.

    The distance is ``SETTLED_DISTANCE``, or what float32 needs, where that is more; where no shift gives it, factors
    change, too. Returns how many channels moved.
    """
    moved = 0
    for site in sites:
        if not _settles(twin, site):
            continue
        affine = _affine(twin, site)
        for channel, distance in enumerate(_distances(affine).tolist()):
            enough, aim = affine.distances_wanted(channel)
            if distance < enough:
                moved += _settle_channel(affine, channel, distance, aim)
    return moved


def settle_tables(twin: Twin, sites: list[TableSite]) -> int:
    """Shifts the values of tables off the borders of two codes, so that any float32 arithmetic gives their words.

    Those with a BN behind are shifted per channel by its bias, others as a whole. Returns how many shifts there were.
    """
    moved = 0
    for site in sites:
        source, result = (quantizer_of(twin, name).act_quant for name in (site.source, site.chain[-1]))
        read, given = _range(source), _range(result)
        scale = float(result.scale())
        table, last = (twin.network.get_submodule(name) for name in (site.table, site.chain[-1]))
        with torch.no_grad():
            codes = torch.arange(read[0], read[1] + 1, dtype=torch.float64) * source.scale().double()
            values = (table.layer.double()(codes) + table.shift.double())[None]  # (1, n)
            table.layer.float()
            if isinstance(last, nn.BatchNorm2d):
                gain, shift = affine_of(last)
                values = gain[:, None] * values + shift[:, None]  # (C, n)
            for channel, row in enumerate(values / scale):
                near = row[(row > given[0] - 1) & (row < given[1] + 1)] - 0.5
                step, _ = _shortest_step(near, _TABLE_DISTANCE) if len(near) else (0.0, 0.0)
                shifted = last.bias[channel] if isinstance(last, nn.BatchNorm2d) else table.shift
                shifted += step * scale
                moved += step != 0
    return moved


def settle_multiples(twin: Twin, sites: list[MultiplesSite]) -> int:
    """Puts the thresholds of means and products between the multiples that they give.

    A threshold is an odd multiple of half a code: a whole number of steps of the grid, or, where that is less fine, one
    of fractions of a power of two. Half of the finer of both is as far as it can be from any. Returns how many moved.
    """
    moved = 0
    for site in sites:
        layer, result = twin.network.get_submodule(site.layer), quantizer_of(twin, site.activation).act_quant
        scales = [float(quantizer_of(twin, name).act_quant.scale()) for name in site.sources]
        shift = min(operator_of(layer.layer).grid(scales) / 2, float(result.scale()) / 4)
        moved += float(layer.shift) != shift
        layer.shift.fill_(shift)
    return moved


def _range(quantizer: nn.Module) -> tuple[int, int]:
    """Least and greatest code of an activation quantizer."""
    bits = int(quantizer.bit_width().item())
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if quantizer.is_signed else (0, 2**bits - 1)


def _settle_channel(affine: _Affine, channel: int, distance: float, aim: float) -> bool:
    """Moves one channel whose thresholds keep only ``distance``; whether that helped."""
    thresholds = affine.thresholds[channel][affine.reachable[channel]]
    step, reached = _shortest_step(thresholds, aim)
    stretch = 1.0
    if reached < aim:
        stretch = _fraction_near(float(affine.spacing[channel]), aim) / float(affine.spacing[channel])
        thresholds = affine.mean[channel] + (thresholds - affine.mean[channel]) * stretch
        step, reached = _shortest_step(thresholds, aim)
    if distance > _CLOSE_ENOUGH * reached:
        return False
    with torch.no_grad():
        affine.norm.weight[channel] /= stretch
        affine.norm.bias[channel] -= (step * affine.shift_per_step[channel] / stretch).to(torch.float32)
    return True


def _fraction_near(spacing: float, aim: float) -> float:
    """The fraction p/d near ``spacing``, p at least 1, whose grid of 1/d has room for twice ``aim``.

    Its d is the smallest that changes the spacing by at most ``_LEAST_CHANGE``, or the best: what is divided by a small
    p takes few bits.
    """
    largest = max(1, int(0.5 / aim))
    for denominator in range(1, largest + 1):
        fraction = Fraction(round(spacing * denominator), denominator)
        if abs(float(fraction) - spacing) <= _LEAST_CHANGE * spacing:
            return float(fraction)
    return float(max(Fraction(spacing).limit_denominator(largest), Fraction(1, largest)))


def _settles(twin: Twin, site: ConvSite) -> bool:
    """Whether the convolution has a chain after it, and thresholds: curved and falling activations have none."""
    modules = [twin.network.get_submodule(name) for name in site.chain]
    return bool(modules) and all(why_not_exported(_activation(module)) is None for module in modules)


def _activation(module: nn.Module) -> nn.Module:
    """The activation alone of a quantized one."""
    return module.activation if isinstance(module, QuantizedActivation) else module


def _behind_norm(twin: Twin, site: ConvSite, bounds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Bounds (C, n) of what the quantizer of ``site`` reads, as bounds of what its first BN gives, and the gain (C,) on
    the way.
    """
    gain = torch.ones(len(bounds), dtype=torch.float64)
    for name in reversed(site.chain[1:]):
        module = _activation(twin.network.get_submodule(name))
        if isinstance(module, nn.BatchNorm2d):
            gain, shift = affine_of(module)
            bounds = (bounds - shift[:, None]) / gain[:, None]
        elif isinstance(module, ACTIVATIONS):
            (factor, offset), activation = formula(module, len(bounds))
            before = activation.before(bounds.numpy(), (gain > 0).numpy()[:, None])
            bounds = (torch.from_numpy(before) - offset) / factor
            gain = gain * factor
    return bounds, gain


def _affine(twin: Twin, site: ConvSite) -> _Affine:
    conv, norm = twin.network.get_submodule(site.conv), twin.network.get_submodule(site.norm)
    proxy = quantizer_of(twin, site.activation).act_quant
    bits = int(proxy.bit_width().item())
    weight = conv.quant_weight()
    step = (
        weight.scale.double() * quantizer_of(twin, site.source).act_quant.scale().double()
    )  # one accumulator step in real units
    factor = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)  # (O,)
    out_scale = proxy.scale().double()
    first = -(2 ** (bits - 1)) + 1 if proxy.is_signed else 1
    codes = torch.arange(first, first + 2**bits - 1, dtype=torch.float64)
    bounds = ((codes - 0.5) * out_scale).detach().expand(len(factor), -1)  # (O, n)
    bounds, gain = _behind_norm(twin, site, bounds)
    real = (bounds - norm.bias.double()[:, None]) / factor[:, None] + norm.running_mean.double()[:, None]
    codes_of_weights = by_output(conv, weight.value.double() / weight.scale.double())  # (O, I / groups, KH, KW)
    reach = codes_of_weights.abs().flatten(1).sum(1) * 255  # (O,)
    thresholds = real / step
    return _Affine(
        norm=norm,
        thresholds=thresholds.detach(),
        reachable=(thresholds.abs() <= reach[:, None]).detach(),
        shift_per_step=(factor * step).detach(),
        spacing=(out_scale / (gain * factor * step).abs()).detach(),
        mean=(norm.running_mean.double() / step).detach(),
        bias=(norm.bias.double() / (factor * step)).detach(),
    )


def _distances(affine: _Affine) -> torch.Tensor:
    """(O,) smallest distance of a reachable threshold from an integer; 0.5 where none is reachable."""
    distance = (affine.thresholds - torch.round(affine.thresholds)).abs()
    return torch.where(affine.reachable, distance, torch.full_like(distance, 0.5)).amin(1)


def _shortest_step(thresholds: torch.Tensor, aim: float) -> tuple[float, float]:
    """The shortest move, in accumulator steps, that takes ``thresholds`` off the integers, and the distance they keep.

    An integer must come to lie in a gap between fractional parts that is wide enough for ``aim``, or in the largest.
    """
    fractions = torch.sort(thresholds - torch.floor(thresholds)).values
    following = torch.cat([fractions[1:], fractions[:1] + 1.0])
    distance = min(aim, float((following - fractions).max()) / 2)
    wide = (following - fractions) / 2 >= distance
    low, high = fractions[wide] + distance, following[wide] - distance  # where an integer may lie, per wide gap
    steps = torch.cat([integer - torch.clamp(torch.full_like(low, integer), low, high) for integer in (0.0, 1.0)])
    return float(steps[torch.argmin(steps.abs())]), distance
