"""Options of training, shared by ``train`` and ``crossval``: those that are not given are left to the recipe."""

from __future__ import annotations

import argparse

from quant.training.loss import LOSSES
from quant.training.sampling import SAMPLINGS
from quant.training.train_config import AUGMENTATIONS, CALIBRATIONS, PRECISIONS, RANGES, SCHEDULES


class _Rate(argparse.Action):
    """A number is ``lr``; ``find`` sets ``find_lr``."""

    def __call__(self, parser, namespace, value, option_string=None):
        if value == "find":
            namespace.find_lr = True
            return
        try:
            namespace.lr, namespace.find_lr = float(value), False
        except ValueError:
            raise argparse.ArgumentError(self, f"'{value}' is not a number; write 1e-3, or find") from None


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a network and its settings; ``parser`` omits options that are not given."""
    parser.add_argument(
        "--recipe", help="name in quant/recipes or a TOML file; options beside it override its settings"
    )
    parser.add_argument("--model", help="registered network (python -m models list)")
    parser.add_argument(
        "--quant", help="w2a4, w3a3, w4a4, w8a8 or a TOML file; without it the float network is trained"
    )
    parser.add_argument("--data", required=True, help="folder of a known layout (docs/how-to/data-sets.md)")
    parser.add_argument("--epochs", type=int, help="default 300")
    parser.add_argument("--batch", type=int, help="images per step (default 8)")
    parser.add_argument("--lr", action=_Rate, help="default 1e-3; find: by a range test before the first epoch")
    parser.add_argument("--weight-decay", type=float, help="default 1e-4")
    parser.add_argument(
        "--schedule",
        choices=SCHEDULES,
        help="of the learning rate (default constant); plateau: a tenth when the training loss stops falling",
    )
    parser.add_argument(
        "--loss",
        choices=LOSSES,
        help="0.5 BCE + Dice (default), BCE alone, or for small lesions and their borders: see docs/how-to/train.md",
    )
    parser.add_argument("--size", type=int, help="height and width in pixels (default 256)")
    parser.add_argument("--device", help="cpu (default), cuda or cuda:N")
    parser.add_argument("--precision", choices=PRECISIONS, help="of the training pass (default float32)")
    parser.add_argument(
        "--calibration",
        choices=CALIBRATIONS,
        help="images that a new twin's activation scales are fitted to: 16 of --data (default), or the 16 shipped ones",
    )
    parser.add_argument(
        "--ranges",
        choices=RANGES,
        help="of activations: as calibrated (default), or learned from there in the first half of the epochs",
    )
    parser.add_argument(
        "--damp", type=float, metavar="W", help="draw weights to their quantized values, in the end by W (default 0)"
    )
    parser.add_argument(
        "--frozen-norms",
        type=float,
        metavar="P",
        help="through this share of the epochs, the last ones, BNs keep their statistics (default 0)",
    )
    parser.add_argument("--ema", type=float, help="keep an average with this decay per step (default 0: off)")
    parser.add_argument(
        "--augmentation",
        choices=AUGMENTATIONS,
        help="flips and quarter turns (the paper's), with rotation, scale, shift, brightness, contrast, gamma; these"
        " with speckle, gain over depth, shadow and deformation; none",
    )
    parser.add_argument(
        "--copy-paste", type=float, metavar="P", help="paste another image's lesion with this probability (default 0)"
    )
    parser.add_argument(
        "--sampling",
        choices=SAMPLINGS,
        help="each image once an epoch (default), or draws that balance classes and sizes of lesions",
    )
    parser.add_argument(
        "--deep-supervision", type=float, metavar="W", help="weight of the loss of the decoder's stages (default 0)"
    )
    parser.add_argument("--normal-cases", action="store_true", help="keep released BUSI's images without a lesion")
    parser.add_argument("--classes", type=int, help="N: masks hold class indices 0 to N - 1 (default 1: foreground)")
    parser.add_argument("--channels", type=int, help="of the images, for 1, 5 or 7 slices (default: the network's own)")
    parser.add_argument("--seed", type=int, help="default 1")
