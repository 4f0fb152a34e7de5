"""Golden frames through the accelerator, in both modes: every logit and every pixel must be the golden one."""

import numpy as np

from board.errors import SelftestError
from board.io_spec import decide


def selftest(accel, codes, logits, report):
    """Runs codes (N, H, W, C) and compares with logits (N, H, W, classes); ``report`` gets a line for each part.

    SelftestError names the first difference.
    """
    one, several = ("mask", "masks") if accel.spec.classes == 1 else ("class index", "class indices")
    _compare(one, accel.segment_batch(codes), decide(logits))
    report(f"{several} of {len(codes)} frames in one batch: exact")
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
