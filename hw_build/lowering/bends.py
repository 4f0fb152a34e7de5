"""Activations between an integer tensor and its quantizer, and factors behind them: how each is undone.

``before(bounds, rising)`` takes conditions on y, per channel y >= bound where ``rising`` (C, 1) and y <= bound
elsewhere, to the same conditions on x; bounds (C, n) float64, infinite where a condition holds always or never.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from hw_build.lowering.graph import GraphEditor, attribute
from hw_build.lowering.rules import slopes


@dataclass(frozen=True)
class Clip:
    """y = min(max(x, low), high)."""

    low: float
    high: float

    def before(self, bounds: np.ndarray, rising: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        below = np.where(rising, bounds <= self.low, bounds < self.low)
        above = np.where(rising, bounds > self.high, bounds >= self.high)
        return np.where(below, -np.inf, np.where(above, np.inf, bounds)), rising


@dataclass(frozen=True)
class Leaky:
    """y = x where x >= 0, else slope * x; slopes (C,) are positive."""

    slope: np.ndarray

    def before(self, bounds: np.ndarray, rising: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.where(bounds < 0, bounds / self.slope[:, None], bounds), rising


@dataclass(frozen=True)
class Factor:
    """y = gain * x + shift, per channel (C,)."""

    gain: np.ndarray
    shift: np.ndarray

    def before(self, bounds: np.ndarray, rising: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gain, shift = self.gain[:, None], self.shift[:, None]
        after = np.where(gain < 0, ~rising, rising)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = (bounds - shift) / gain
        holds = np.where(rising, shift >= bounds, shift <= bounds)  # of a constant, whatever x is
        return np.where(gain == 0, np.where(holds == after, -np.inf, np.inf), moved), after


Bend = Clip | Leaky | Factor


def activation_bends(graph: GraphEditor, node: NodeProto, channels: int) -> tuple[Bend, ...]:
    """What the activation ``node`` does to a tensor of ``channels``."""
    if node.op_type == "Relu":
        return (Clip(0.0, np.inf),)
    if node.op_type == "Clip":
        return (Clip(*_limits(graph, node)),)
    if node.op_type == "HardSigmoid":
        alpha, beta = float(attribute(node, "alpha", 0.2)), float(attribute(node, "beta", 0.5))
        return Factor(np.full(channels, alpha), np.full(channels, beta)), Clip(0.0, 1.0)
    return (Leaky(np.broadcast_to(slopes(graph, node), (channels,))),)


def activate_in_float32(graph: GraphEditor, node: NodeProto, value: np.ndarray) -> np.ndarray:
    """What the activation ``node`` makes of ``value`` (C, n) float32, rounded after each operation."""
    if node.op_type == "Relu":
        return np.maximum(value, np.float32(0))
    if node.op_type == "Clip":
        return np.clip(value, *(np.float32(limit) for limit in _limits(graph, node)))
    if node.op_type == "HardSigmoid":
        alpha, beta = np.float32(attribute(node, "alpha", 0.2)), np.float32(attribute(node, "beta", 0.5))
        return np.clip(value * alpha + beta, np.float32(0), np.float32(1))
    return np.where(value < 0, value * slopes(graph, node).astype(np.float32)[:, None], value)


def _limits(graph: GraphEditor, node: NodeProto) -> tuple[float, float]:
    """Lower and upper limit of a Clip; infinite where it has none."""
    limits = []
    for name, none in zip([*node.input[1:], "", ""], (-np.inf, np.inf), strict=False):
        limits.append(float(graph.constants[name].item()) if name else none)
    return limits[0], limits[1]
