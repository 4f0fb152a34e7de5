"""``python -m hw_build.implement.pynq_sim.compare GOLDEN MASKS``: masks of the simulated board against golden logits.

MASKS holds ``NAME_mask.png`` for images NAME of the golden file; every pixel must be 255 where logit > 0, else 0, or of
several classes the index of the largest logit.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np

from board.boundary import add_debug_to, run_command
from board.errors import InputError
from board.image_files import open_image, upright
from board.io_spec import decide
from hw_build.base.errors import BuildError, ConfigError, MismatchError, explain

_ENDING = "_mask.png"


def compare(golden: Path, masks: Path) -> list[str]:
    """A line for each mask file that is exact.

    Raises:
        BuildError: the golden file is missing or corrupt.
        ConfigError: a mask file is no image.
        MismatchError: a pixel differs, a file is of no golden image, or there is none.
    """
    logits = _golden_logits(golden)
    lines = []
    for path in sorted(masks.glob(f"*{_ENDING}")):
        name = path.name[: -len(_ENDING)]
        if name not in logits:
            raise MismatchError(f"'{path}' is not of a golden image; they are: {', '.join(logits)}")
        decided, found = decide(logits[name]), _pixels(path)
        expected = np.where(decided, 255, 0) if decided.dtype == bool else decided
        if found.shape != expected.shape or (found != expected).any():
            raise MismatchError(f"'{path}' differs from the golden mask of {name}")
        lines.append(f"exact    mask of {name}: {expected.size} pixels as golden")
    if not lines:
        raise MismatchError(f"no *{_ENDING} in '{masks}'; run `python -m board infer` first")
    return lines


def _golden_logits(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(zip(archive["names"].tolist(), archive["logits"], strict=True))
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise BuildError(f"golden file '{path}' is missing or corrupt ({error}); export again") from None


def _pixels(path: Path) -> np.ndarray:
    try:
        with open_image(path) as image:
            return np.asarray(upright(image, path))
    except InputError as error:
        raise ConfigError(str(error)) from error


def main(argv: list[str] | None = None) -> int:
    """Status 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m hw_build.implement.pynq_sim.compare", description="mask files against golden logits"
    )
    parser.add_argument("golden", type=Path, metavar="GOLDEN", help="golden.npz of an export")
    parser.add_argument("masks", type=Path, metavar="MASKS", help="folder with NAME_mask.png of golden images NAME")
    parser.set_defaults(run=_run)
    add_debug_to(parser)
    return run_command(lambda: parser.parse_args(argv), explain)


def _run(arguments: argparse.Namespace) -> None:
    print("\n".join(compare(arguments.golden, arguments.masks)))


if __name__ == "__main__":
    sys.exit(main())
