"""Golden frames through the accelerator, in both modes: every logit and every pixel must be the golden one."""

import numpy as np

from board.errors import SelftestError


def selftest(accel, codes, logits, report):
    """Runs codes (N, H, W, C) and compares with logits (N, H, W, 1); ``report`` gets a line for each finished part.

    SelftestError names the first difference.
    """
    masks = accel.segment_batch(codes)
    _compare("mask", masks, logits[..., 0] > 0)
    report(f"masks of {len(codes)} frames in one batch: exact")
    _compare("logit", accel.segment(codes[0], logits=True), logits[0])
    report("logits of one frame: exact")


def _compare(what, found, expected):
    differs = np.argwhere(found != expected)
    if len(differs):
        where = tuple(differs[0])
        raise SelftestError(
            f"{len(differs)} of {expected.size} {what} values differ, the first at {tuple(map(int, where))}: "
            f"{found[where]}, golden {expected[where]}; bitstream, io_spec.json and golden.npz must come from one "
            "deploy folder"
        )
