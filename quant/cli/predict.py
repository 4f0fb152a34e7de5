"""``python -m quant predict``: overlays of single images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quant.base.errors import DataError

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("predict", help="write overlays: contours of the prediction and, if known, the truth")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="8-bit image, resized to the network")
    parser.add_argument("--checkpoint", type=Path, required=True, help="float or quantized checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="folder for IMAGE_overlay.png and IMAGE_mask.png")
    parser.add_argument("--masks", type=Path, help="folder of true masks with the images' names")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    import numpy as np
    import torch

    from board.image_files import in_colour
    from board.nifti import is_nifti
    from quant.base import checkpoint as checkpoints
    from quant.base.device import require_device
    from quant.data.layouts import Pair, find_masks
    from quant.data.pairs import read_codes, read_pair
    from quant.evaluation.pictures import iou_of_images, overlay, save_png
    from quant.evaluation.predict import predict_masks
    from quant.twin.networks import channels_in, classes_of, from_checkpoint

    names = [image.stem for image in arguments.images]
    if len(set(names)) < len(names):
        raise DataError("two images have the same name, and so would their overlays; predict them one by one")
    if scans := [image for image in arguments.images if is_nifti(image)]:
        raise DataError(
            f"'{scans[0]}' is a scan; label it by `python -m quant predict-scan`, with an export for slices"
        )
    require_device(arguments.device)
    checkpoint = checkpoints.load(arguments.checkpoint)
    size, channels = tuple(checkpoint["size"]), channels_in(checkpoint)
    network = from_checkpoint(checkpoint).to(arguments.device)
    for image in arguments.images:
        if arguments.masks is None:
            codes, truth = read_codes(image, size, channels), None
        else:
            pair = Pair(image.stem, image, find_masks(arguments.masks, image.stem))
            codes, truth = read_pair(pair, size, classes_of(checkpoint), channels)
        batch = torch.from_numpy(codes.copy()).permute(2, 0, 1)[None]  # (H, W, C) -> (1, C, H, W)
        prediction = predict_masks(network, batch, 1, arguments.device)[0]
        save_png(arguments.out / f"{image.stem}_overlay.png", overlay(in_colour(codes), prediction, truth))
        save_png(
            arguments.out / f"{image.stem}_mask.png",
            prediction.astype(np.uint8) * (255 if prediction.dtype == bool else 1),
        )
        share = f"{(prediction > 0).mean():.1%} foreground"
        iou = "" if truth is None else f", IoU {iou_of_images(prediction[None], truth[None])[0]:.4f}"
        print(f"{arguments.out / image.stem}_overlay.png: {share}{iou}")
