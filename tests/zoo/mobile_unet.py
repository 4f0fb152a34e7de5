"""A MobileNetV2 U-Net of 8 to 24 channels by this project: ``python -m tests.zoo.mobile_unet SIDE FOLDER``.

Registers it as a user does, and writes an untrained w4a4 twin and its export for images of SIDE x SIDE: FOLDER/export.
"""

import sys
from dataclasses import dataclass

from models.registry import register
from quant.__main__ import main
from tests.quant.architectures import MobileUNet

NAME = "mobilenetv2-unet"


@dataclass(frozen=True, kw_only=True)
class Config:
    widths: tuple[int, ...] = (8, 12, 16, 24)
    expand: int = 6
    in_channels: int = 3
    classes: int = 1
    input_size: int = 256


def write(side, folder):
    """The twin and its export in ``folder``."""
    register(NAME, "inverted residuals", Config(), lambda config: MobileUNet(config.widths, config.expand))
    checkpoint = ["--checkpoint", f"{folder}/twin.pt"]
    made = main(["untrained", "--model", NAME, "--quant", "w4a4", "--size", side, "--out", checkpoint[1]])
    return made or main(["export", *checkpoint, "--out", f"{folder}/export"])


if __name__ == "__main__":
    sys.exit(write(sys.argv[1], sys.argv[2]))
