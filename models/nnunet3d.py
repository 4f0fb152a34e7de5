"""nnU-Net's 3D network, and the same with EfficientNet encoders and MBConv decoders.

Sources: F. Isensee et al., "nnU-Net", Nature Methods 18 (2021) 203, for the generic network; J. Martinho, "Efficient
Algorithms for Medical Image Segmentation", Instituto Superior Tecnico, for the others. Stated there: patch 128^3; skips
at all six resolutions of the encoder; decoder of 320, 256, 128, 64, 32 channels, transposed convolution 2^3 of stride
2, concatenation, two convolutions 3^3, or two MBConv of expansion 6 and squeeze 0.25 instead; deep supervision at all
but the two lowest resolutions. Chosen here: the MBConv decoder has instance norm, as its standard twin; the squeeze is
a quarter of the block's input channels; heads exist only where they are supervised.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from models.efficientnet3d import EFFICIENTNETS, Encoder, efficientnet_encoder
from models.errors import ConfigError
from models.layers3d import NORMS, MBConv3d, conv_norm_act3d, require_divisible, require_norm, upsample_conv3d
from models.registry import register

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTHS = (32, 64, 128, 256, 320, 320)  # top to bottom; the decoder has them, too
DECODERS = ("standard", "mbconv")
_EXPANSION, _SQUEEZE_SHARE = 6, 4
_WITH_BATCH_NORM = ("generic", "effnet-b0", "effnetv2-s")  # encoders whose networks are registered with it, too


@dataclass(frozen=True, kw_only=True)
class NNUNetConfig:
    """``encoder``: generic, or a key of ``EFFICIENTNETS``; ``widths``: channels, of the decoder and of the generic
    encoder, top to bottom. ``norm`` of both: "instance", or "batch", which has an integer form.
    """

    encoder: str = "generic"
    decoder: str = "standard"
    widths: tuple[int, ...] = WIDTHS
    norm: str = "instance"
    in_channels: int = 1
    classes: int = 1
    input_size: tuple[int, int, int] = (128, 128, 128)

    def __post_init__(self) -> None:
        known = ("generic", *EFFICIENTNETS)
        if self.encoder not in known:
            raise ConfigError(f"unknown encoder '{self.encoder}'; known: {', '.join(known)}")
        if self.decoder not in DECODERS:
            raise ConfigError(f"unknown decoder '{self.decoder}'; known: {', '.join(DECODERS)}")
        require_norm(self.norm)
        if len(self.widths) < 2 or (self.encoder != "generic" and len(self.widths) != len(WIDTHS)):
            raise ConfigError(f"widths must have {len(WIDTHS)} entries, generic at least 2, got {self.widths}")


class GenericEncoder(nn.Module):
    """Two convolutions 3^3 a level, the first of stride 2 on all levels but the top."""

    def __init__(self, in_channels: int, widths: tuple[int, ...], norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.channels = widths
        inputs = (in_channels, *widths[:-1])
        self.levels = nn.ModuleList(
            nn.Sequential(
                conv_norm_act3d(i, o, stride=1 if level == 0 else 2, norm=norm), conv_norm_act3d(o, o, norm=norm)
            )
            for level, (i, o) in enumerate(zip(inputs, widths, strict=True))
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, C, X, Y, Z) -> per level (B, widths[level], X / 2**level, ...), top to bottom."""
        skips = []
        for level in self.levels:
            x = level(x)
            skips.append(x)
        return skips


def _standard(in_channels: int, out_channels: int, norm: Callable[[int], nn.Module]) -> nn.Sequential:
    return nn.Sequential(
        conv_norm_act3d(in_channels, out_channels, norm=norm), conv_norm_act3d(out_channels, out_channels, norm=norm)
    )


def _mbconv(in_channels: int, out_channels: int, norm: Callable[[int], nn.Module]) -> nn.Sequential:
    def block(i: int) -> MBConv3d:
        return MBConv3d(i, out_channels, 3, expansion=_EXPANSION, squeezed=i // _SQUEEZE_SHARE, norm=norm)

    return nn.Sequential(block(in_channels), block(out_channels))


class Decoder(nn.Module):
    """Per level, bottom to top: twice the size, concatenation with the skip, then ``block``."""

    def __init__(self, skips: tuple[int, ...], widths: tuple[int, ...], block: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        below = (skips[-1], *widths[:0:-1])
        self.up = nn.ModuleList(upsample_conv3d(i, o) for i, o in zip(below, widths[::-1], strict=False))
        self.mix = nn.ModuleList(block(o + skip, o) for o, skip in zip(widths[::-1], skips[-2::-1], strict=True))

    def forward(self, skips: list[torch.Tensor]) -> list[torch.Tensor]:
        """The encoder's features -> features of each level of the decoder, bottom to top."""
        x, found = skips[-1], []
        for up, mix, skip in zip(self.up, self.mix, skips[-2::-1], strict=True):
            x = mix(torch.cat((up(x), skip), dim=1))
            found.append(x)
        return found


class NNUNet(nn.Module):
    """3D U-Net of nnU-Net, with its own encoder or an EfficientNet's."""

    def __init__(self, config: NNUNetConfig) -> None:
        super().__init__()
        self.encoder: GenericEncoder | Encoder
        if config.encoder == "generic":
            self.encoder = GenericEncoder(config.in_channels, config.widths, NORMS[config.norm])
        else:
            self.encoder = efficientnet_encoder(config.encoder, config.in_channels)
        widths = config.widths[:-1]
        block = partial(_mbconv if config.decoder == "mbconv" else _standard, norm=NORMS[config.norm])
        self.decoder = Decoder(self.encoder.channels, widths, block)
        supervised = widths[: max(1, len(widths) - 1)]  # all but the two lowest resolutions
        self.heads = nn.ModuleList(nn.Conv3d(width, config.classes, 1, bias=False) for width in supervised)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """(B, C, X, Y, Z) -> (B, classes, X, Y, Z) logits; sides are multiples of 2**(levels - 1).

        In training mode a tuple, for deep supervision: the logits, then those of half the size, a quarter, and so on.
        """
        require_divisible(x, 2 ** (len(self.encoder.channels) - 1))
        features = self.decoder(self.encoder(x))[::-1]
        if not self.training:
            return self.heads[0](features[0])
        return tuple(head(feature) for head, feature in zip(self.heads, features, strict=False))


for _name, _widths in (("tiny", (8, 16, 32)), ("small", (16, 32, 64))):
    for _norm in NORMS:
        register(
            f"nnunet-{_name}" + ("" if _norm == "instance" else "-bn"),
            f"nnU-Net's 3D network of three levels, {'-'.join(map(str, _widths))} channels, {_norm} norm",
            NNUNetConfig(widths=_widths, norm=_norm, input_size=(32, 32, 32)),
            NNUNet,
        )
for _name in ("generic", *EFFICIENTNETS):
    for _decoder in DECODERS:
        _named, _told = (
            f"nnunet-{_name}" + ("" if _decoder == "standard" else "-mbconv"),
            f"encoder {_name}, {_decoder}",
        )
        register(_named, f"nnU-Net in 3D, {_told} decoder", NNUNetConfig(encoder=_name, decoder=_decoder), NNUNet)
        if _name in _WITH_BATCH_NORM:
            register(
                f"{_named}-bn",
                f"nnU-Net in 3D, {_told} decoder, batch norm",
                NNUNetConfig(encoder=_name, decoder=_decoder, norm="batch"),
                NNUNet,
            )
