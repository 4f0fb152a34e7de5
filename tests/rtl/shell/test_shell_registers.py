"""The AXI slave of the registers: every address answers, IDs come back, bursts work; the bench checks handshakes.

On both families: AXI3 as the Zynq-7000's GP0 speaks it, AXI4 with longer bursts and wider IDs and addresses.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from shell_bench import BOARDS, bench

from board import registers as reg
from hw_build.implement.board_sim.library import DECERR, FIXED, INCR, OKAY, SLVERR, WRAP, BusError


class Board:
    """The simulated board, with offsets in the window instead of addresses."""

    def __init__(self, made, protocol, stall):
        self.made, self.base = made, made.control_base
        self.simulated = bench(made, protocol=protocol, seed=2, stall=stall).board

    def read(self, offset):
        return self.simulated.read(self.base + offset)

    def write(self, offset, value):
        self.simulated.write(self.base + offset, value)

    def burst_read(self, offset, beats, **options):
        return self.simulated.burst_read(self.base + offset, beats, **options)

    def burst_write(self, offset, words, **options):
        return self.simulated.burst_write(self.base + offset, words, **options)


@pytest.fixture(params=[(name, stall) for name in BOARDS for stall in (0.0, 0.6)], ids=str)
def board(request):
    name, stall = request.param
    return Board(*BOARDS[name], stall)


def test_outside_the_window_is_decerr(board):
    beside = (board.base - 4, board.base + 0x1000, board.base + 0x10_0000)
    for address in (*beside, 0x0, 0x4000_0000, 0x7FFF_FFFC, 0xFFFF_FFFC):
        for access in (board.simulated.read, lambda at: board.simulated.write(at, 1)):
            with pytest.raises(BusError, match="DECERR") as caught:
                access(address)
            assert (caught.value.address, caught.value.response) == (address, DECERR)
        assert board.read(reg.IDENTITY) == reg.IDENTITY_VALUE


def test_address_above_32_bits_is_decerr_however_it_ends(board):
    for bit in (32, 39):
        assert board.simulated.burst_read(board.base + reg.IDENTITY + (1 << bit), 1)[1] == [DECERR]


def test_every_word_of_the_window_answers(board):
    known = {offset: writable for offset, writable, _, _ in reg.REGISTERS.values()}
    for offset in range(0, 4096, 4):
        _, (read,) = board.burst_read(offset, 1)
        assert read == (OKAY if offset in known else SLVERR), hex(offset)
        if offset not in (reg.CTRL, reg.SOFT_RESET):
            assert board.burst_write(offset, [0]) == (OKAY if known.get(offset) else SLVERR), hex(offset)


def test_bytes_that_are_not_strobed_stay(board):
    board.write(reg.FRAMES, 0x1122_3344)
    assert board.burst_write(reg.FRAMES, [0xAABB_CCDD], strobes=0b0101) == OKAY
    assert board.read(reg.FRAMES) == 0x11BB_33DD
    assert board.burst_write(reg.OUTPUT_MODE, [1], strobes=0b1110) == OKAY
    assert board.read(reg.OUTPUT_MODE) == 0
    assert board.burst_write(reg.CTRL, [reg.CTRL_START], strobes=0b1110) == OKAY
    assert board.read(reg.CTRL) == reg.CTRL_IDLE


def test_incrementing_burst(board):
    assert board.burst_write(reg.SOURCE_LO, [0x1000_0000, 0x7], axi_id=0xABC) == OKAY
    words, responses = board.burst_read(reg.SOURCE_LO, 2, burst=INCR, axi_id=0xFFF)
    assert (words, responses) == ([0x1000_0000, 0x7], [OKAY, OKAY])
    words, responses = board.burst_read(reg.IDENTITY, 16)
    assert words[:2] == [reg.IDENTITY_VALUE, reg.VERSION_VALUE]
    assert words[8:] == [board.made.classes, board.made.out_height, board.made.out_width, *[0] * 5]
    assert responses == [OKAY] * 11 + [SLVERR] * 5


def test_fixed_burst_stays_at_its_register(board):
    assert board.burst_write(reg.SOURCE_LO, [1, 2, 3, 4], burst=FIXED) == OKAY
    assert board.burst_read(reg.SOURCE_LO, 3, burst=FIXED) == ([4] * 3, [OKAY] * 3)
    assert board.read(reg.SOURCE_HI) == 0


def test_wrapping_burst_wraps_at_its_own_size(board):
    board.write(reg.SOURCE_LO, 0x10)
    board.write(reg.SOURCE_HI, 0x14)
    words, responses = board.burst_read(reg.SOURCE_HI, 2, burst=WRAP, axi_id=5)
    assert (words, responses) == ([0x14, 0x10], [OKAY] * 2)
    words, _ = board.burst_read(reg.HEIGHT + 8, 4, burst=WRAP)
    assert words == [3, board.made.address_bits, 16, 16]  # channels, address bits, height, width


def test_narrow_burst_takes_several_beats_a_word(board):
    board.write(reg.SOURCE_LO, 0x0403_0201)
    words, responses = board.burst_read(reg.SOURCE_LO, 8, size=0)
    assert responses == [OKAY] * 8
    assert [word >> 8 * lane & 0xFF for lane, word in enumerate(words[:4])] == [1, 2, 3, 4]
    assert words[4:] == [0] * 4  # SOURCE_HI


def test_narrow_writes_change_their_bytes_alone(board):
    board.write(reg.FRAMES, 0x4433_2211)
    for lane, size, strobes, data, expected in (  # as strb and strh of an ARM do
        (1, 0, 0b0010, 0x0000_AA00, 0x4433_AA11),
        (3, 0, 0b1000, 0xBB00_0000, 0xBB33_AA11),
        (2, 1, 0b1100, 0xCCDD_0000, 0xCCDD_AA11),
        (0, 1, 0b0011, 0x0000_EEFF, 0xCCDD_EEFF),
    ):
        assert board.burst_write(reg.FRAMES + lane, [data], size=size, strobes=strobes) == OKAY
        assert board.read(reg.FRAMES) == expected


def test_unaligned_bursts_go_on_at_the_next_word(board):
    assert board.burst_write(reg.SOURCE_LO, [0x1111_1111, 0x2222_2222]) == OKAY
    words, responses = board.burst_read(reg.SOURCE_LO + 2, 2)  # AXI: only the first beat is unaligned
    assert (words, responses) == ([0x1111_1111, 0x2222_2222], [OKAY] * 2)
    assert board.burst_write(reg.SOURCE_LO + 2, [0xABCD_0000], strobes=0b1100) == OKAY
    assert board.read(reg.SOURCE_LO) == 0xABCD_1111 and board.read(reg.SOURCE_HI) == 0x2222_2222


def test_longest_bursts_are_answered_to_their_end(board):
    longest = 16 if board.made.max_burst == 16 else 256
    words, responses = board.burst_read(reg.IDENTITY, longest, burst=FIXED, axi_id=0x7FF)
    assert (words, responses) == ([reg.IDENTITY_VALUE] * longest, [OKAY] * longest)
    assert board.burst_write(reg.FRAMES, list(range(longest)), burst=FIXED, axi_id=0x7FF) == OKAY
    assert board.read(reg.FRAMES) == longest - 1


def test_a_write_burst_answers_with_its_worst_beat(board):
    assert board.burst_write(reg.SOURCE_HI, [1, 2, 3]) == SLVERR  # 0x18 holds no register
    assert board.read(reg.SOURCE_HI) == 1 and board.read(reg.FRAMES) == 3


def test_reading_a_register_beside_control_keeps_done(board):
    assert board.burst_write(reg.FRAMES, [0]) == OKAY
    board.write(reg.CTRL, reg.CTRL_START)
    board.burst_read(reg.GIE, 3)
    words, _ = board.burst_read(reg.CTRL, 2, burst=FIXED)
    assert words == [reg.CTRL_DONE | reg.CTRL_READY | reg.CTRL_IDLE, reg.CTRL_IDLE]
