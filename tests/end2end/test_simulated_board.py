"""A real accelerator in its shell on the simulated board: registers and DMA in, golden logits and masks out."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "hw_build"))
import exports

from board import registers as reg
from hw_build.cli import main as cli
from hw_build.implement.board_sim.build import build_board
from hw_build.implement.board_sim.library import SimulatedBoard

pytestmark = pytest.mark.slow
MEMORY, RESULTS = 0x1000_0000, 0x8_0000


def run(board, base, frames, mode):
    """One job; the bytes of its results."""
    memory = np.frombuffer(board.memory, np.uint8)
    memory[RESULTS:] = 0
    values = {reg.SOURCE_LO: MEMORY, reg.DESTINATION_LO: MEMORY + RESULTS, reg.FRAMES: frames, reg.OUTPUT_MODE: mode}
    for offset, value in values.items():
        board.write(base + offset, value)
    board.write(base + reg.CTRL, reg.CTRL_START)
    assert board.run(1_000_000, until_idle=True)
    assert board.read(base + reg.STATUS) == 0 and board.read(base + reg.FRAMES_DONE) == frames
    return memory[RESULTS:].copy()


@pytest.mark.parametrize("name", ["pynq-z2", "kv260"])
def test_golden_images_are_exact_also_after_resets_in_mid_frame(tmp_path, name):
    export = exports.write_export(tmp_path / "export")
    out = tmp_path / "build"
    arguments = ["build", "--export", str(export), "--board", name, "--out", str(out), "--stop-after", "shell"]
    assert cli.main(arguments) == 0
    with np.load(export / "golden.npz") as golden:
        codes, logits = golden["codes"], golden["logits"]
    record = json.loads((out / "shell" / "shell.json").read_text())
    base = record["system"]["control_base"]
    words = logits.astype("<i4").reshape(-1).view(np.uint8)
    bits = np.packbits(logits.reshape(-1) > 0, bitorder="little")
    with SimulatedBoard(build_board(out), memory_base=MEMORY, stall=0.2, latency=30) as board:
        spec = json.loads((out / "io_spec.json").read_text())
        network = board.read(base + reg.NETWORK_HASH_LO) | board.read(base + reg.NETWORK_HASH_HI) << 32
        assert network == int(spec["network_hash"], 16)
        np.frombuffer(board.memory, np.uint8)[: codes.nbytes] = codes.reshape(-1)
        for cycles in (None, 50, 4000, 17_000, 30_000):
            if cycles is not None:
                board.write(base + reg.CTRL, reg.CTRL_START)
                board.step(cycles)
                board.write(base + reg.SOFT_RESET, reg.SOFT_RESET_RESET)
                while board.read(base + reg.SOFT_RESET):
                    pass
            np.testing.assert_array_equal(run(board, base, len(codes), 0)[: words.size], words)
            np.testing.assert_array_equal(run(board, base, len(codes), reg.OUTPUT_MODE_MASK)[: bits.size], bits)
