"""Random networks as people write them: a plan drawn by hypothesis, and the module that follows it.

A plan is plain data, so that a failing one is printed whole and shrinks to the few layers that matter.
"""

import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from quant.twin.config import Bits, QuantConfig

SIZE = 16
ACTIVATIONS = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky": lambda: nn.LeakyReLU(0.125),
    "hardtanh": nn.Hardtanh,
    "hardsigmoid": nn.Hardsigmoid,
}
KERNELS = st.sampled_from([(1, 1), (3, 3), (3, 3), (5, 5), (1, 3), (3, 1), (1, 5), (7, 1)])
CHANNELS = st.integers(1, 6)

CONVOLUTION = st.fixed_dictionaries(
    {
        "out": CHANNELS,
        "kernel": KERNELS,
        "dilation": st.sampled_from([1, 1, 1, 2]),
        "norm": st.sampled_from(["bn", "bn", "bn", "none", "eps", "not affine"]),
        "activation": st.sampled_from(["relu", "relu", "relu", "none", *ACTIVATIONS]),
    }
)


def _step(inner):
    """A strategy of one step; ``inner`` are steps at half the size."""
    layer = CONVOLUTION
    return st.one_of(
        st.tuples(st.just("layer"), layer),
        st.tuples(st.just("depthwise"), st.sampled_from([1, 3, 5]), st.booleans()),
        st.tuples(st.just("sum"), layer),
        st.tuples(st.just("post sum"), layer),
        st.tuples(st.just("cat"), layer),
        st.tuples(st.just("split"), st.lists(layer, min_size=2, max_size=4)),
        st.tuples(st.just("grouped"), layer),
        st.tuples(st.just("factor"), st.sampled_from([0.5, 0.25, 2.0, -0.75])),
        st.tuples(st.just("pre"), layer),
        st.tuples(st.sampled_from(["down sum", "down cat"]), inner),
    )


def steps(depth, most):
    """Up to ``most`` steps, ``depth`` poolings deep."""
    inner = steps(depth - 1, 2) if depth else st.just([])
    return st.lists(_step(inner), min_size=0 if depth < 2 else 1, max_size=most)


PLANS = st.fixed_dictionaries(
    {
        "channels": st.sampled_from([1, 3, 3, 4]),
        "stem": CONVOLUTION,
        "steps": steps(2, 4),
        "head": st.sampled_from(["bias", "no bias", "3x3", "bn", "upsampled", "summed"]),
        "seed": st.integers(0, 2**16),
    }
)
WIDTHS = st.integers(2, 8)
QUANTIZATIONS = st.builds(
    QuantConfig,
    name=st.just("random"),
    bits=st.builds(
        Bits, first_weight=WIDTHS, last_weight=WIDTHS, dense_weight=WIDTHS, depthwise_weight=WIDTHS,
        pointwise_weight=WIDTHS, activation=WIDTHS, sum=WIDTHS, upsample=WIDTHS,
    ),
)  # fmt: skip


class Planned(nn.Module):
    """The network of a plan."""

    def __init__(self, plan):
        super().__init__()
        self.plan = plan
        self.layers = nn.ModuleList()
        channels = self._layer(plan["channels"], plan["stem"])
        self.body, channels = self._steps(plan["steps"], channels)
        wide = 3 if plan["head"] == "3x3" else 1
        self.head = nn.Conv2d(channels, 1, wide, padding=wide // 2, bias=plan["head"] != "no bias")
        self.norm = nn.BatchNorm2d(1) if plan["head"] == "bn" else None
        self.second = nn.Conv2d(channels, 1, 1) if plan["head"] == "summed" else None

    def forward(self, x):
        x = self._follow(self.body, self.layers[0](x))
        if self.plan["head"] == "upsampled":
            return F.interpolate(self.head(F.max_pool2d(x, 2)), scale_factor=2, mode="bilinear", align_corners=False)
        logits = self.head(x) if self.second is None else self.head(x) + self.second(x)
        return logits if self.norm is None else self.norm(logits)

    def _layer(self, inputs, plan, *, outputs=None, groups=1, activation=None, first=()):
        """Appends the layers of one convolution; returns its channels."""
        outputs = outputs or plan["out"]
        dilation = plan["dilation"] if max(plan["kernel"]) < 5 else 1
        padding = tuple(dilation * (side // 2) for side in plan["kernel"])
        layers = [*first, nn.Conv2d(inputs, outputs, plan["kernel"], 1, padding, dilation, groups)]
        if plan["norm"] != "none":
            settings = {"eps": {"eps": 0.5}, "not affine": {"affine": False}}.get(plan["norm"], {})
            layers.append(nn.BatchNorm2d(outputs, **settings))
        activation = activation or plan["activation"]
        if activation != "none":
            layers.append(ACTIVATIONS[activation]())
        self.layers.append(nn.Sequential(*layers))
        return outputs

    def _steps(self, plans, channels):
        """Makes the layers of ``plans``; returns what `_follow` does, and the channels behind it."""
        followed = []
        for kind, plan, *more in plans:
            index = len(self.layers)
            inner = ()
            if kind in ("sum", "post sum"):
                self._layer(channels, plan, outputs=channels, activation="none" if kind == "post sum" else None)
            elif kind == "pre":
                self._layer(channels, plan, outputs=channels, first=[nn.BatchNorm2d(channels), nn.ReLU()])
            elif kind == "cat":
                channels += self._layer(channels, plan)
            elif kind == "split":
                channels = sum([self._layer(channels, one) for one in plan])
            elif kind == "layer":
                channels = self._layer(channels, plan)
            elif kind == "grouped":
                groups = 2 if channels % 2 == 0 else 1
                channels = self._layer(channels, plan, outputs=2 * plan["out"], groups=groups)
            elif kind == "depthwise":
                one = {"kernel": (plan, plan), "dilation": 1, "norm": "bn", "activation": "relu"}
                self._layer(channels, one, outputs=channels, groups=channels)
                inner = more[0]
            elif kind.startswith("down"):
                inner, below = self._steps(plan, channels)
                if kind == "down sum":
                    index = len(self.layers)
                    one = {"kernel": (1, 1), "dilation": 1, "norm": "bn", "activation": "relu"}
                    self._layer(below, one, outputs=channels)
                else:
                    channels += below
            else:
                inner = plan  # the factor
            followed.append((kind, index, len(self.layers), inner))
        return followed, channels

    def _follow(self, followed, x):
        for kind, index, end, inner in followed:
            if kind in ("sum", "pre"):
                x = x + self.layers[index](x)
            elif kind == "post sum":
                x = F.relu(self.layers[index](x) + x)
            elif kind == "cat":
                x = torch.cat([x, self.layers[index](x)], 1)
            elif kind == "split":
                x = torch.cat([self.layers[number](x) for number in range(index, end)], 1)
            elif kind in ("layer", "grouped"):
                x = self.layers[index](x)
            elif kind == "depthwise":
                x = x + self.layers[index](x) if inner else self.layers[index](x)
            elif kind == "factor":
                x = x * inner
            else:
                low = self._follow(inner, F.max_pool2d(x, 2))
                if kind == "down sum":
                    low = self.layers[index](low)
                low = F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False)
                x = x + low if kind == "down sum" else torch.cat([x, low], 1)
        return x
