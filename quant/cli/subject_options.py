"""The options that ``sensitivity`` and ``search`` share: which network, scored on what."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quant.bitwidths.subject import Subject

_OPTIONS = ("checkpoint", "quant", "data", "split", "images", "match_norms", "device")


def add_subject_options(parser: argparse.ArgumentParser) -> None:
    """The options that name a network and the images to judge it on."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="quantized checkpoint, or float with --quant")
    parser.add_argument("--quant", help="of a float checkpoint: the quantization to start from (w8a8 or a TOML file)")
    parser.add_argument("--data", type=Path, help="folder with images/ masks/ SPLIT.txt (default: the shipped images)")
    parser.add_argument("--split", default="val", help="name of the list of ids in --data (default val)")
    parser.add_argument("--images", type=int, default=16, help="at most this many, evenly spaced (default 16)")
    parser.add_argument(
        "--match-norms",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="re-estimate the BNs on these images, without their masks (default)",
    )
    parser.add_argument(
        "--bits", type=bit_widths, default=[4, 3, 2], metavar="4,3,2", help="widths to try (default 4,3,2)"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results; an interrupted run continues")


def subject_of(arguments: argparse.Namespace) -> Subject:
    """The network and images that these options name."""
    from quant.bitwidths.subject import Subject, SubjectConfig

    return Subject(SubjectConfig(**{option: getattr(arguments, option) for option in _OPTIONS}))


def bit_widths(text: str) -> list[int]:
    """Widths of 4,3,2, largest first; argparse's error for anything else."""
    parts = text.split(",")
    if not all(part.strip().isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of widths; write 4,3,2")
    return sorted({int(part) for part in parts}, reverse=True)
