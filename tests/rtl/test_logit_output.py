"""The output stage: logits of one class or of several to words, in both modes, of RTL and of its netlist.

Odd numbers of pixels and classes, logits of few and of many bits, signed or not, ties and negative logits among them.
"""

import numpy as np
import pytest

from board.io_spec import FrameLayout, decide
from board.packing import pack_stream
from hw_build.implement.netlist.cell_models import cell_models
from hw_build.kernels.base import RtlInstance, StreamPort
from hw_build.simulate import LastStreamPort, build
from hw_build.stitch.stitcher import STREAM_RTL
from tests.rtl.kernel_bench import BUILD_DIR, STALL_PATTERNS
from tests.rtl.netlist_bench import netlist_of

MODULE = "logit_output"
FILES = [STREAM_RTL / "argmax.sv", STREAM_RTL / f"{MODULE}.sv"]
FRAMES = 3
PINS = {"mask_mode": 1}


def port(prefix, bits, kind=StreamPort, **more):
    names = {name: f"{prefix}_axis_{name}" for name in ("tdata", "tvalid", "tready")}
    return kind(**names, width_bits=bits, payload_bits=bits, element_bits=bits, **more)


def ports(bits):
    return {"inputs": (port("s", bits),), "outputs": (port("m", 32, LastStreamPort, tlast="m_axis_tlast"),)}


def parameters(shape, classes, bits, signed):
    values = {"LOGIT_BITS": bits, "SIGNED": int(signed), "PIXELS": shape[0] * shape[1], "CLASSES": classes}
    return {name: str(value) for name, value in values.items()}


def simulator(shape, classes, bits, signed, *, netlist=False):
    values = parameters(shape, classes, bits, signed)
    if not netlist:
        return build(MODULE, FILES, BUILD_DIR, parameters=values, pins=PINS, **ports(bits))
    instance = RtlInstance(
        module=MODULE, clock="ap_clk", reset_n="ap_rst_n", files=tuple(FILES), parameters=values, **ports(bits)
    )
    return build(MODULE, [netlist_of(instance), *cell_models(BUILD_DIR)], BUILD_DIR, pins=PINS, **ports(bits))


def some_logits(shape, classes, bits, signed, seed):
    """Few values, so that most pixels have ties, and the greatest and the least there are."""
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    values = sorted({low, max(low, -2), max(low, -1), 0, min(high, 1), high})
    rng = np.random.default_rng(seed)
    logits = rng.choice(np.array(values, np.int64), (FRAMES, *shape, classes))
    logits[0, 0] = low  # all equal, all negative where there are such
    return logits.astype(np.int32)


def assert_exact(stage, shape, classes, bits, signed):
    layout = FrameLayout(*shape, 3, classes)
    for seed, (idle, stall) in enumerate(STALL_PATTERNS):
        logits = some_logits(shape, classes, bits, signed, seed)
        beats = pack_stream(logits.reshape(-1, 1), 1, bits)
        for mask in (False, True):
            expected = layout.pack(decide(logits) if mask else logits)
            pins = {"mask_mode": int(mask)}
            found = stage.run([beats], [len(expected)], idle=idle, stall=stall, seed=seed, pins=pins)
            np.testing.assert_array_equal(found.outputs[0].view("<u4").reshape(-1), expected)
            words = len(expected) // FRAMES
            np.testing.assert_array_equal(np.flatnonzero(found.output_lasts[0]), words * np.arange(1, FRAMES + 1) - 1)


QUICK = [((3, 11), 3, 7, True), ((3, 11), 1, 24, True)]
SLOW = [
    ((1, 1), 2, 2, True), ((1, 3), 4, 1, False), ((5, 7), 16, 24, True), ((2, 3), 256, 9, True), ((4, 8), 1, 12, True),
    ((3, 3), 255, 5, False), ((8, 8), 2, 16, True), ((5, 13), 1, 1, False), ((16, 8), 4, 12, True),
    ((1, 1), 1, 8, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "classes", "bits", "signed"), [*QUICK, *(pytest.param(*each, marks=pytest.mark.slow) for each in SLOW)]
)
def test_words_under_stalls(shape, classes, bits, signed):
    assert_exact(simulator(shape, classes, bits, signed), shape, classes, bits, signed)


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "bits"), [(3, 7), (16, 12), (1, 12)])
def test_its_netlist_under_stalls(classes, bits):
    assert_exact(simulator((3, 5), classes, bits, True, netlist=True), (3, 5), classes, bits, True)


def test_the_first_of_equals_and_negative_logits():
    logits = np.array([[-3, -3, -9], [-9, -3, -3], [5, 5, 5], [-1, -2, 0]], np.int32)
    assert decide(logits).tolist() == np.argmax(logits, axis=1).tolist() == [0, 1, 0, 2]
    assert decide(np.array([[-1], [0], [1]])).tolist() == [False, False, True]
