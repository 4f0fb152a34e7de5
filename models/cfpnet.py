"""CFPNet-M: pyramids of dilated grouped convolutions on two levels, with the image injected at three.

Source: A. Lou, S. Guan, M. Loew, "CFPNet-M: a light-weight encoder-decoder based network for multimodal biomedical
image real-time segmentation", Computers in Biology and Medicine 2023. The form measured in table III of Carvalho &
Vestias 2025 (0.76 M parameters; 3.47 GMAC as `thop` counts, which takes the transposed convolutions four times): ReLU
where the paper has PReLU.

A CFP module takes C channels: BN, ReLU, 3x3 to C/4; four branches of three grouped 3x3 (4, 1 and 1 channel a group to
1, 1 and 2) at dilations 1, d/4 + 1, d/2 + 1 and d + 1, rounded down; each branch's three outputs side by side; running
sums over the branches; all four side by side, BN, ReLU, 1x1; the module's input is added.

``cfpnet-m-hw`` chooses: BN and ReLU behind each convolution and none elsewhere, no bias but the head's.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from models.errors import ConfigError
from models.layers import Concat, Sum, conv_norm_act
from models.registry import register

_EPS = 1e-3  # of every BN of the published network


@dataclass(frozen=True, kw_only=True)
class CFPNetConfig:
    """Channels of the stem and the two levels of CFP modules, and the modules' dilations d."""

    dims: tuple[int, ...] = (32, 64, 128)
    dilations: tuple[tuple[int, ...], ...] = ((2, 2), (4, 4, 8, 8, 16, 16))
    in_channels: int = 3
    classes: int = 1
    input_size: int = 256

    def __post_init__(self) -> None:
        if len(self.dims) != 3 or len(self.dilations) != 2:
            raise ConfigError("dims must have three entries (stem, two levels), and dilations two, one a level")
        if any(channels % 16 for channels in self.dims[1:]):
            raise ConfigError(f"channels of a CFP module must be a multiple of 16, got {self.dims[1:]}")


def norm_act(channels: int) -> nn.Sequential:
    """BN, with the paper's eps, and ReLU."""
    return nn.Sequential(nn.BatchNorm2d(channels, eps=_EPS), nn.ReLU())


def layer(in_channels: int, out_channels: int, kernel: int, **shape: int) -> nn.Sequential:
    """Convolution, BN with the paper's eps, ReLU."""
    made = conv_norm_act(in_channels, out_channels, kernel, bias=False, **shape)
    made[1].eps = _EPS
    return made


class Branch(nn.Module):
    """Three grouped 3x3 in a row, their outputs side by side: (B, C/4, H, W) -> (B, C/4, H, W)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        groups = channels // 16
        widths = (channels // 4, groups, groups, channels // 8)
        self.layers = nn.ModuleList(layer(i, o, 3, dilation=dilation, groups=groups) for i, o in pairwise(widths))
        self.concat = Concat()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = []
        for each in self.layers:
            x = each(x)
            outputs.append(x)
        return self.concat(*outputs)


class Pyramid(nn.Module):
    """Four branches, summed up one after the other, all sums side by side: (B, C/4, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int, d: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Branch(channels, dilation) for dilation in (1, d // 4 + 1, d // 2 + 1, d + 1))
        self.sums = nn.ModuleList(Sum() for _ in self.branches[1:])
        self.concat = Concat()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        totals = [self.branches[0](x)]
        for branch, add in zip(self.branches[1:], self.sums, strict=True):
            totals.append(add(totals[-1], branch(x)))
        return self.concat(*totals)


class CFPModule(nn.Module):
    """3x3 down to a quarter, pyramid, 1x1 to mix it, the input added: (B, C, H, W) -> the same shape."""

    def __init__(self, channels: int, d: int, for_hardware: bool) -> None:
        super().__init__()
        reduce, pyramid = layer(channels, channels // 4, 3), Pyramid(channels, d)
        if for_hardware:
            self.fn = nn.Sequential(reduce, pyramid, layer(channels, channels, 1))
        else:
            mix = nn.Conv2d(channels, channels, 1, bias=False)
            self.fn = nn.Sequential(norm_act(channels), reduce, pyramid, norm_act(channels), mix)
        self.sum = Sum()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.sum(self.fn(x), x)  # (B, C, H, W)


class Down(nn.Module):
    """Halves the size: a 3x3 of stride 2, and beside it the input max-pooled where that has fewer channels."""

    def __init__(self, in_channels: int, out_channels: int, for_hardware: bool) -> None:
        super().__init__()
        self.pools = in_channels < out_channels
        made = out_channels - in_channels if self.pools else out_channels
        if for_hardware:
            self.conv = layer(in_channels, made, 3, stride=2)
        else:
            self.conv = nn.Conv2d(in_channels, made, 3, stride=2, padding=1, bias=False)
        self.pool, self.concat = nn.MaxPool2d(2), Concat()
        self.norm_act = nn.Identity() if for_hardware else norm_act(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.conv(x)  # (B, C, H, W) -> (B, out_channels, H / 2, W / 2)
        return self.norm_act(self.concat(made, self.pool(x)) if self.pools else made)


class Up(nn.Sequential):
    """Doubles the size: transposed 2x2 of stride 2, BN, ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2, bias=False), *norm_act(out_channels)
        )


class CFPNet(nn.Module):
    """The network as published: (B, in_channels, H, W) -> logits (B, 1, H, W)."""

    for_hardware = False

    def __init__(self, config: CFPNetConfig) -> None:
        super().__init__()
        (stem, first, second), image = config.dims, config.in_channels
        after = lambda channels: nn.Identity() if self.for_hardware else norm_act(channels)  # noqa: E731
        inputs = (image, stem, stem)
        self.stem = nn.Sequential(*(layer(c, stem, 3, stride=2 if i == 0 else 1) for i, c in enumerate(inputs)))
        self.shrink = nn.AvgPool2d(3, stride=2, padding=1)
        self.concat = nn.ModuleList(Concat() for _ in range(5))
        joined = (stem + image, 2 * first + image, 2 * second + image)
        self.join = nn.ModuleList(after(channels) for channels in joined)
        self.down = nn.ModuleList(Down(i, o, self.for_hardware) for i, o in zip(joined, (first, second), strict=False))
        self.pyramids = nn.ModuleList(
            nn.Sequential(*(CFPModule(channels, d, self.for_hardware) for d in dilations))
            for channels, dilations in zip((first, second), config.dilations, strict=True)
        )
        self.up = nn.ModuleList(
            (Up(joined[2], second), Up(second + joined[1], first), Up(first + joined[0], stem)),
        )
        self.head = nn.Conv2d(stem, config.classes, 1, bias=self.for_hardware)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1) -> (B, classes, H, W) logits; H and W are multiples of 8."""
        image = self.shrink(x)
        skips = [self.join[0](self.concat[0](self.stem(x), image))]  # (B, 35, H / 2, W / 2)
        for level, (down, pyramid) in enumerate(zip(self.down, self.pyramids, strict=True), start=1):
            image = self.shrink(image)
            entered = down(skips[-1])  # (B, dims[level], H / 2**(level + 1), W / 2**(level + 1))
            skips.append(self.join[level](self.concat[level](pyramid(entered), entered, image)))
        x = self.up[0](skips[2])
        x = self.up[1](self.concat[3](x, skips[1]))
        return self.head(self.up[2](self.concat[4](x, skips[0])))


class CFPNetHw(CFPNet):
    """The same pyramids with BN and ReLU behind every convolution, so that each can be folded."""

    for_hardware = True


register("cfpnet-m", "CFPNet-M: dilated feature pyramids", CFPNetConfig(), CFPNet)
register("cfpnet-m-hw", "CFPNet-M for hardware: convolution, BN, ReLU throughout", CFPNetConfig(), CFPNetHw)
