"""``python -m hw_build adopt``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.cli.common import add_input_scale, input_scale

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    adopt = commands.add_parser("adopt", help="turn an ONNX file from another tool into an export")
    adopt.add_argument("model", type=Path, metavar="MODEL", help="a QONNX or QCDQ file")
    adopt.add_argument("--out", type=Path, required=True, help="folder of the export")
    adopt.add_argument("--images", type=Path, metavar="DIR", help="golden images, scaled (default: random codes)")
    adopt.add_argument("--count", type=int, default=2, help="golden images (default 2)")
    add_input_scale(adopt)
    adopt.set_defaults(run=_adopt)


def _adopt(arguments: argparse.Namespace) -> None:
    from hw_build.flow.adopt import AdoptConfig, adopt

    config = AdoptConfig(
        model=arguments.model,
        out=arguments.out,
        images=arguments.images,
        count=arguments.count,
        input_scale=input_scale(arguments),
    )
    checked = adopt(config)["verification"]
    print(
        f"{config.out}: {checked['logits_compared']:,} golden logits of {', '.join(checked['images'])}; as floats they "
        f"lie within {checked['largest_rounding_in_steps']:.2g} of a step of their integers"
    )
