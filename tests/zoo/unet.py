"""A whole U-Net of 8 to 64 channels with transposed convolutions, by Brevitas: ``python -m tests.zoo.unet SIDE FILE``.

4-bit weights and activations of power-of-two scales, random weights of one seed; ONNX for images of SIDE x SIDE.
"""

import sys

import brevitas.nn as qnn
import torch
from brevitas.export import export_qonnx
from torch import nn

from tests.zoo.networks import Bits, Kind, Pixels256

BITS = Bits(4, 4, Kind.FIXED)
SEED = 17


def two(inputs, outputs, **settings):
    return nn.Sequential(BITS.block(inputs, outputs, **settings), BITS.block(outputs, outputs))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.pixels = qnn.QuantIdentity(act_quant=Pixels256, bit_width=8, return_quant_tensor=True)
        self.enc = nn.ModuleList([two(3, 8, weight_bit_width=8), two(8, 16), two(16, 32)])
        self.bottom = two(32, 64)
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList([BITS.transposed(64, 32), BITS.transposed(32, 16), BITS.transposed(16, 8)])
        self.shared = nn.ModuleList([BITS.unsigned(), BITS.unsigned(), BITS.unsigned()])
        self.dec = nn.ModuleList([two(64, 32), two(32, 16), two(16, 8)])
        self.head = BITS.conv(8, 1, 1, weight_bit_width=8)

    def forward(self, x):
        x, skips = self.pixels(x), []
        for encode in self.enc:
            x = encode(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for up, shared, decode, skip in zip(self.up, self.shared, self.dec, reversed(skips), strict=True):
            x = decode(torch.cat([shared(up(x)), shared(skip)], dim=1))
        return self.head(x)


def write(side, path):
    """The ONNX file at ``path``."""
    torch.manual_seed(SEED)
    network = UNet()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.7)
    with torch.no_grad():
        for _ in range(4):
            network(torch.rand(1, 3, 64, 64))
    network.eval()
    export_qonnx(network, args=torch.rand(1, 3, side, side), export_path=str(path), dynamo=False)


if __name__ == "__main__":
    write(int(sys.argv[1]), sys.argv[2])
