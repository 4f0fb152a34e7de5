"""``python -m quant export``: the exact integer graph of a quantized checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("export", help="write the exact integer graph of a quantized checkpoint")
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint of a quantized network")
    parser.add_argument("--out", type=Path, required=True, help="folder for model.qonnx, golden.npz and manifest.json")
    parser.add_argument(
        "--size", type=_size, metavar="HxW", help="image size in pixels (default: the checkpoint's; XxYxZ of volumes)"
    )
    parser.add_argument("--images", type=int, default=2, help="golden images (default 2)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.export.export import export

    manifest = export(arguments.checkpoint, arguments.out, size=arguments.size, images=arguments.images)
    shape, checked = manifest["input"], manifest["verification"]
    sides = "x".join(str(shape[side]) for side in ("height", "width", "x", "y", "z") if side in shape)
    images = f"{(count := len(checked['images']))} image{'s' if count > 1 else ''}"
    print(
        f"{arguments.out}: {manifest['model']['name']}, {sides}, exact in"
        f" {checked['logits_compared']} logits of {images} and on"
        f" {checked['thresholds_compared']} sides of thresholds"
    )


def _size(text: str) -> tuple[int, ...]:
    """As ``size``, or the three sides of a volume."""
    parts = text.lower().split("x")
    if len(parts) == 3 and all(part.isdigit() for part in parts):
        return tuple(map(int, parts))
    return size(text)


def size(text: str) -> tuple[int, int]:
    """(height, width) of 256 or 192x256; argparse's error for anything else."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"'{text}' is not a size; write 256 or 192x256 (height x width)")
    return int(parts[0]), int(parts[-1])
