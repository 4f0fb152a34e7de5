"""The AXI slave of the registers: every address answers, IDs come back, bursts work; the bench checks handshakes."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from shell_bench import bench, system

from board import registers as reg
from hw_build.board_sim.library import DECERR, FIXED, INCR, OKAY, SLVERR, WRAP, BusError

BASE = 0x43C0_0000


@pytest.fixture(params=[0.0, 0.6])
def board(request):
    return bench(system(), seed=2, stall=request.param).board


@pytest.mark.parametrize("address", [0x0, 0x4000_0000, BASE - 4, BASE + 0x1000, 0x7FFF_FFFC, 0xFFFF_FFFC])
def test_outside_the_window_is_decerr(board, address):
    for access in (board.read, lambda at: board.write(at, 1)):
        with pytest.raises(BusError, match="DECERR") as caught:
            access(address)
        assert (caught.value.address, caught.value.response) == (address, DECERR)
    assert board.read(BASE + reg.IDENTITY) == reg.IDENTITY_VALUE


def test_every_word_of_the_window_answers(board):
    known = {offset: writable for offset, writable, _, _ in reg.REGISTERS.values()}
    for offset in range(0, 4096, 4):
        _, (read,) = board.burst_read(BASE + offset, 1)
        assert read == (OKAY if offset in known else SLVERR), hex(offset)
        if offset not in (reg.CTRL, reg.SOFT_RESET):
            assert board.burst_write(BASE + offset, [0]) == (OKAY if known.get(offset) else SLVERR), hex(offset)


def test_bytes_that_are_not_strobed_stay(board):
    board.write(BASE + reg.FRAMES, 0x1122_3344)
    assert board.burst_write(BASE + reg.FRAMES, [0xAABB_CCDD], strobes=0b0101) == OKAY
    assert board.read(BASE + reg.FRAMES) == 0x11BB_33DD
    assert board.burst_write(BASE + reg.OUTPUT_MODE, [1], strobes=0b1110) == OKAY
    assert board.read(BASE + reg.OUTPUT_MODE) == 0
    assert board.burst_write(BASE + reg.CTRL, [reg.CTRL_START], strobes=0b1110) == OKAY
    assert board.read(BASE + reg.CTRL) == reg.CTRL_IDLE


def test_incrementing_burst(board):
    assert board.burst_write(BASE + reg.SOURCE_LO, [0x1000_0000, 0x7], axi_id=0xABC) == OKAY
    words, responses = board.burst_read(BASE + reg.SOURCE_LO, 2, burst=INCR, axi_id=0xFFF)
    assert (words, responses) == ([0x1000_0000, 0x7], [OKAY, OKAY])
    words, responses = board.burst_read(BASE + reg.IDENTITY, 16)
    assert words[:2] == [reg.IDENTITY_VALUE, reg.VERSION_VALUE]
    assert responses == [OKAY] * 8 + [SLVERR] * 8 and words[8:] == [0] * 8


def test_fixed_burst_stays_at_its_register(board):
    assert board.burst_write(BASE + reg.SOURCE_LO, [1, 2, 3, 4], burst=FIXED) == OKAY
    assert board.burst_read(BASE + reg.SOURCE_LO, 3, burst=FIXED) == ([4] * 3, [OKAY] * 3)
    assert board.read(BASE + reg.SOURCE_HI) == 0


def test_wrapping_burst_wraps_at_its_own_size(board):
    board.write(BASE + reg.SOURCE_LO, 0x10)
    board.write(BASE + reg.SOURCE_HI, 0x14)
    words, responses = board.burst_read(BASE + reg.SOURCE_HI, 2, burst=WRAP, axi_id=5)
    assert (words, responses) == ([0x14, 0x10], [OKAY] * 2)
    words, _ = board.burst_read(BASE + reg.HEIGHT + 8, 4, burst=WRAP)
    assert words == [3, 32, 16, 16]  # channels, address bits, height, width


def test_narrow_burst_takes_several_beats_a_word(board):
    board.write(BASE + reg.SOURCE_LO, 0x0403_0201)
    words, responses = board.burst_read(BASE + reg.SOURCE_LO, 8, size=0)
    assert responses == [OKAY] * 8
    assert [word >> 8 * lane & 0xFF for lane, word in enumerate(words[:4])] == [1, 2, 3, 4]
    assert words[4:] == [0] * 4  # SOURCE_HI


def test_a_write_burst_answers_with_its_worst_beat(board):
    assert board.burst_write(BASE + reg.SOURCE_HI, [1, 2, 3]) == SLVERR  # 0x18 holds no register
    assert board.read(BASE + reg.SOURCE_HI) == 1 and board.read(BASE + reg.FRAMES) == 3


def test_reading_a_register_beside_control_keeps_done(board):
    assert board.burst_write(BASE + reg.FRAMES, [0]) == OKAY
    board.write(BASE + reg.CTRL, reg.CTRL_START)
    board.burst_read(BASE + reg.GIE, 3)
    words, _ = board.burst_read(BASE + reg.CTRL, 2, burst=FIXED)
    assert words == [reg.CTRL_DONE | reg.CTRL_READY | reg.CTRL_IDLE, reg.CTRL_IDLE]
