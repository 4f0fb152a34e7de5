"""``python -m quant train|evaluate|export|bench``: see ``--help`` of each."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from quant.errors import ConfigError, EdgesegError

_INTERRUPTED = 130


def _add_train(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("train", help="train a float network or, with --quant, its quantized twin")
    parser.add_argument("--model", required=True, help="registered network (python -m models list)")
    parser.add_argument("--quant", help="w4a4, w8a8 or a TOML file; without it the float network is trained")
    parser.add_argument("--data", required=True, help="folder with images/ masks/ train.txt val.txt, or released BUSI")
    parser.add_argument("--out", type=Path, required=True, help="folder for last.pt, best.pt and log.csv")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    parser.add_argument("--schedule", choices=("constant", "cosine"), default="constant")
    parser.add_argument("--size", type=int, default=256, help="height and width in pixels")
    parser.add_argument("--init-from", type=Path, help="checkpoint to start from (float weights may start QAT)")
    parser.add_argument("--resume", action="store_true", help="go on from last.pt in --out")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="of the training pass")
    parser.add_argument(
        "--calibration",
        choices=("calib_data", "train"),
        default="calib_data",
        help="images that the activation scales of a new twin are fitted to: the 16 shipped ones, or 16 of --data",
    )
    parser.add_argument(
        "--ema", type=float, default=0.0, help="score and keep an average of this decay a step (0: off)"
    )
    parser.add_argument(
        "--augmentation",
        choices=("flips", "strong"),
        default="flips",
        help="flips and quarter turns (the paper's), or with them rotation, scale, shift, brightness, contrast, gamma",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(run=_train)


def _train(arguments: argparse.Namespace) -> None:
    from quant.config import QuantConfig
    from quant.train import TrainConfig, train

    config = TrainConfig(
        model=arguments.model,
        data=arguments.data,
        epochs=arguments.epochs,
        batch=arguments.batch,
        lr=arguments.lr,
        weight_decay=arguments.weight_decay,
        schedule=arguments.schedule,
        size=arguments.size,
        seed=arguments.seed,
        device=arguments.device,
        precision=arguments.precision,
        calibration=arguments.calibration,
        ema=arguments.ema,
        augmentation=arguments.augmentation,
    )
    quant = QuantConfig.read(arguments.quant) if arguments.quant else None
    scores = train(config, quant, arguments.out, init_from=arguments.init_from, resume=arguments.resume)
    print(json.dumps({"checkpoint": str(arguments.out / "best.pt"), **scores}))


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("evaluate", help="IoU, F1, precision, recall and AAC on a split of a data folder")
    parser.add_argument("--checkpoint", type=Path, help="float or quantized checkpoint")
    parser.add_argument("--integer", type=Path, metavar="EXPORT", help="run this export's integer arithmetic instead")
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ masks/ SPLIT.txt")
    parser.add_argument("--split", default="val", help="name of the list of ids (default val)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> None:
    from quant.evaluate import evaluate_checkpoint, evaluate_integer

    if arguments.integer is not None:
        scores = evaluate_integer(
            arguments.integer, arguments.data, arguments.split, arguments.device, arguments.checkpoint
        )
    elif arguments.checkpoint is not None:
        scores = evaluate_checkpoint(arguments.checkpoint, arguments.data, arguments.split, arguments.device)
    else:
        raise ConfigError("nothing to evaluate; give --checkpoint, --integer or both")
    _show(scores, arguments.json)


def _add_export(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("export", help="write the exact integer graph of a quantized checkpoint")
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint of a quantized network")
    parser.add_argument("--out", type=Path, required=True, help="folder for model.qonnx, golden.npz and manifest.json")
    parser.add_argument("--size", type=_size, metavar="HxW", help="image size in pixels (default: the checkpoint's)")
    parser.add_argument("--images", type=int, default=2, help="golden images (default 2)")
    parser.set_defaults(run=_export)


def _export(arguments: argparse.Namespace) -> None:
    from quant.export import export

    manifest = export(arguments.checkpoint, arguments.out, size=arguments.size, images=arguments.images)
    shape, checked = manifest["input"], manifest["verification"]
    print(
        f"{arguments.out}: {manifest['model']['name']}, {shape['height']}x{shape['width']}, exact in"
        f" {checked['logits_compared']} logits of {len(checked['images'])} images and on"
        f" {checked['thresholds_compared']} sides of thresholds"
    )


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"'{text}' is no size; write 256 or 192x256 (height x width)")
    return int(parts[0]), int(parts[-1])


def _add_bench(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("bench", help="time the integer reference against float32 onnxruntime")
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint of a quantized network")
    parser.add_argument("--export", type=Path, help="its export; without it the checkpoint is exported first")
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of both (default: onnxruntime's choice)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_bench)


def _bench(arguments: argparse.Namespace) -> None:
    from quant.bench import bench

    result = bench(
        arguments.checkpoint,
        export_dir=arguments.export,
        repetitions=arguments.repetitions,
        threads=arguments.threads,
    )
    _show(result, arguments.json)


def _show(values: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(values))
        return
    for name, value in values.items():
        print(f"{name:18} {value:.4f}" if isinstance(value, float) else f"{name:18} {value}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m quant", description="quantization-aware training and export")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_train, _add_evaluate, _add_export, _add_bench):
        add(commands)
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    except EdgesegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.strerror}: '{error.filename}'; free space or choose another --out", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; go on with the same command and --resume", file=sys.stderr)
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
