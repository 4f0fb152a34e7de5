"""``python -m quant settle``: moves the thresholds of a trained checkpoint away from integer accumulators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "settle", help="move the thresholds of a quantized checkpoint until float32 cannot decide a code"
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint of a quantized network")
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint to write")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.base import checkpoint as checkpoints
    from quant.base.errors import ConfigError
    from quant.twin.networks import from_checkpoint, settle

    checkpoint = checkpoints.load(arguments.checkpoint)
    if checkpoint["quant"] is None:
        raise ConfigError(f"'{arguments.checkpoint}' holds a float network, which has no thresholds to settle")
    twin = from_checkpoint(checkpoint)
    moved = settle(twin, checkpoint["model"])
    kept = {key: value for key, value in checkpoint.items() if key != "scores"}  # of the weights as they were
    checkpoints.save(arguments.out, {**kept, "state": dict(twin.state_dict())})
    print(f"{arguments.out}: {moved} channels moved")
