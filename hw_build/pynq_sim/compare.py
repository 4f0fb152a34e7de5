"""``python -m hw_build.pynq_sim.compare GOLDEN MASKS``: mask files of the simulated board against golden logits.

MASKS holds ``NAME_mask.png`` for images NAME of the golden file; every pixel must be logit > 0.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from hw_build.errors import EdgesegError, MismatchError

_ENDING = "_mask.png"


def compare(golden: Path, masks: Path) -> list[str]:
    """A line for each mask file that is exact.

    Raises:
        MismatchError: a pixel differs, a file is of no golden image, or there is none.
    """
    with np.load(golden, allow_pickle=False) as archive:
        logits = dict(zip(archive["names"].tolist(), archive["logits"], strict=True))
    lines = []
    for path in sorted(masks.glob(f"*{_ENDING}")):
        name = path.name[: -len(_ENDING)]
        if name not in logits:
            raise MismatchError(f"'{path}' is of no golden image; they are: {', '.join(logits)}")
        expected = np.where(logits[name][..., 0] > 0, 255, 0)
        found = np.asarray(Image.open(path))
        if found.shape != expected.shape or (found != expected).any():
            raise MismatchError(f"'{path}' differs from the golden mask of {name}")
        lines.append(f"exact    mask of {name}: {expected.size} pixels as golden")
    if not lines:
        raise MismatchError(f"no *{_ENDING} in '{masks}'; run `python -m board infer` first")
    return lines


def main(argv: list[str]) -> int:
    """Status 0, or 2 with one sentence on stderr."""
    if len(argv) != 2:
        print("usage: python -m hw_build.pynq_sim.compare GOLDEN MASKS", file=sys.stderr)
        return 2
    try:
        print("\n".join(compare(Path(argv[0]), Path(argv[1]))))
    except EdgesegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
