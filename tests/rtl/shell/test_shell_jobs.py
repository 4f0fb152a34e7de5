"""Jobs through the shell, against a memory that stalls and answers late and checks every rule of AXI3 and AXI4."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from shell_bench import BOARDS, FRAME_LIMIT, MEMORY_BYTES, ULTRASCALE, ZYNQ_7000, bench, system

from board import registers as reg
from hw_build.implement.board_sim.library import AXI3, AXI4, ProtocolError

BUSES = [(0.0, 0), (0.0, 60), (0.5, 30), (0.9, 5)]  # (stall, latency)


@pytest.fixture(params=BOARDS, scope="module")
def any_board(request):
    made, protocol = BOARDS[request.param]
    return bench(made, protocol=protocol, seed=5)


@pytest.fixture(params=BOARDS)
def shell(request):
    made, protocol = BOARDS[request.param]
    return bench(made, protocol=protocol, seed=3)


def test_registers_say_what_it_is(any_board):
    assert any_board.read(reg.IDENTITY) == reg.IDENTITY_VALUE
    assert any_board.read(reg.VERSION) == reg.VERSION_VALUE
    made = any_board.system
    assert any_board.read(reg.NETWORK_HASH_LO) | any_board.read(reg.NETWORK_HASH_HI) << 32 == made.network_hash
    geometry = [any_board.read(offset) for offset in (reg.HEIGHT, reg.WIDTH, reg.CHANNELS, reg.ADDRESS_BITS)]
    assert geometry == [made.height, made.width, made.channels, made.address_bits]


@pytest.mark.parametrize(("stall", "latency"), BUSES)
@pytest.mark.parametrize("mask", [False, True])
def test_frames_are_exact(any_board, stall, latency, mask):
    any_board.board.timing(stall=stall, latency=latency)
    for count in (1, 2, 7):
        any_board.run(any_board.frames(count, seed=count), mask=mask)


@pytest.mark.parametrize(("source", "destination"), [(8, 0x20008), (0x0FF8, 0x20FF8), (0x1078, 0x20F40)])
def test_addresses_of_8_bytes_and_4_kib_boundaries(any_board, source, destination):
    any_board.board.timing(stall=0.2, latency=20)
    for mask in (False, True):  # the bench refuses a burst across 4 KiB
        any_board.run(any_board.frames(6, seed=source), mask=mask, source=source, destination=destination)


def test_memory_above_4_gib():
    # where a Zynq UltraScale+ has the upper part of its memory; low words alone would miss it
    shell = bench(ULTRASCALE, protocol=AXI4, memory_base=0x8_FFFF_0000, stall=0.2, latency=20)
    for mask in (False, True):  # the frames cross a multiple of 4 GiB
        shell.run(shell.frames(3, seed=1), mask=mask, source=0xF800, destination=0x2FFC0)


@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 24, 1), (40, 8, 5)])
def test_frames_that_are_no_whole_bursts(shape):
    # masks of 1, 3 and 5 beats; frames of 24, 24 and 200
    made = system(**dict(zip(("height", "width", "channels"), shape, strict=True)))
    shell = bench(made, stall=0.3, latency=20, seed=7)
    for mask in (False, True):
        for count in (1, 2, 9):
            shell.run(shell.frames(count, seed=count), mask=mask, source=0x0FE8, destination=0x20FF8)


@pytest.mark.parametrize(
    ("shape", "classes"),
    [
        ((5, 7, 3), 4),
        *(
            pytest.param(shape, classes, marks=pytest.mark.slow)
            for shape, classes in [((3, 5, 1), 1), ((7, 9, 2), 3), ((3, 3, 16), 16), ((5, 5, 4), 1), ((1, 3, 12), 2)]
        ),
    ],
)
def test_frames_that_fill_no_beats_and_several_classes(shape, classes):
    made = system(**dict(zip(("height", "width", "channels"), shape, strict=True)), classes=classes)
    shell = bench(made, stall=0.3, latency=20, seed=7)
    assert shell.read(reg.CLASSES) == classes
    for mask in (False, True):
        for count in (1, 2, 9):
            shell.run(shell.frames(count, seed=count), mask=mask, source=0x0FE8, destination=0x20FF8)


@pytest.mark.parametrize(
    ("shape", "out_size", "classes"),
    [((6, 10, 3), (3, 5), 1), *(pytest.param(*each, marks=pytest.mark.slow)
                                for each in (((4, 4, 2), (1, 1), 4), ((8, 12, 1), (4, 6), 3), ((6, 6, 3), (1, 1), 1)))],
)  # fmt: skip
def test_results_of_another_size(shape, out_size, classes):
    sizes = dict(zip(("height", "width", "channels", "out_height", "out_width"), (*shape, *out_size), strict=True))
    shell = bench(system(**sizes, classes=classes), stall=0.3, latency=20, seed=7)
    assert (shell.read(reg.OUT_HEIGHT), shell.read(reg.OUT_WIDTH)) == out_size
    for mask in (False, True):
        for count in (1, 2, 9):
            shell.run(shell.frames(count, seed=count), mask=mask, source=0x0FE8, destination=0x20FF8)


def test_bursts_are_as_long_as_the_bus_allows(any_board):
    any_board.run(any_board.frames(2), mask=False)
    assert any_board.board.bus["longest"] == any_board.system.max_burst
    assert any_board.board.bus["most_reads"] >= 4


def test_a_burst_too_long_for_axi3_is_seen():
    board = bench(ULTRASCALE, protocol=AXI3)
    board.load(board.frames(1), mask=False)
    with pytest.raises(ProtocolError, match="AR burst of 64 beats in cycle"):
        board.start()
        board.finish()


def test_no_frames_are_done_at_once_and_touch_nothing(shell):
    shell.load(shell.frames(0), mask=True)
    shell.start()
    assert shell.read(reg.CTRL) == reg.CTRL_DONE | reg.CTRL_READY | reg.CTRL_IDLE
    assert shell.read(reg.STATUS) == 0 and shell.read(reg.FRAMES_DONE) == 0
    assert shell.board.bus["read_bursts"] == shell.board.bus["write_bursts"] == 0
    shell.run(shell.frames(1), mask=True)


def test_done_comes_after_the_last_write_is_answered(shell):
    shell.board.timing(stall=0.0, latency=300)
    frames = shell.frames(1)
    shell.load(frames, mask=False)
    shell.start()
    answers_owing = False
    while not shell.read(reg.CTRL) & reg.CTRL_DONE:
        if shell.read(reg.FRAMES_DONE):
            answers_owing |= bool(shell.read(reg.STATUS) & reg.STATUS_WRITING)
    assert answers_owing and not shell.read(reg.STATUS) & reg.STATUS_WRITING
    shell.check(frames, mask=False)


@pytest.mark.parametrize("latency", [1, 60])
def test_memory_feeds_eight_pixels_in_ten_cycles(shell, latency):
    # three beats bring eight pixels, and two of them can't come while the pixels of the last three leave
    shell.board.timing(stall=0.0, latency=latency)
    shell.run(shell.frames(8), mask=True)
    fastest = ZYNQ_7000.height * ZYNQ_7000.width * 10 // 8
    assert fastest <= shell.read(reg.FRAME_CYCLES) <= 1.02 * fastest
    assert 8 * fastest < shell.read(reg.JOB_CYCLES) < 8 * fastest + 400


def test_done_is_cleared_by_reading_control_and_by_nothing_else(shell):
    shell.load(shell.frames(1), mask=True)
    shell.start()
    shell.board.run(FRAME_LIMIT, until_idle=True)
    for offset in (reg.GIE, reg.ISR, reg.STATUS, reg.FRAMES_DONE):
        shell.read(offset)
    assert shell.read(reg.CTRL) & reg.CTRL_DONE
    assert shell.read(reg.CTRL) == reg.CTRL_IDLE


def test_a_poll_in_the_very_cycle_of_done_does_not_lose_it(shell):
    for phase in range(8):  # a read takes fewer cycles than that
        shell.load(shell.frames(1), mask=True)
        shell.start()
        shell.board.step(phase)
        polled = [shell.read(reg.CTRL)]
        while not polled[-1] & reg.CTRL_IDLE:
            polled.append(shell.read(reg.CTRL))
        polled += [shell.read(reg.CTRL) for _ in range(3)]
        assert sum(bool(value & reg.CTRL_DONE) for value in polled) == 1


def test_interrupt_follows_its_enables(shell):
    for gie, ier, line in ((0, 1, False), (1, 0, False), (1, 1, True), (1, 2, True), (0, 3, False)):
        shell.write(reg.GIE, gie)
        shell.write(reg.IER, ier)
        shell.load(shell.frames(1), mask=True)
        shell.start()
        assert not shell.board.interrupt
        assert shell.board.run(2000, until_interrupt=True) == line
        shell.board.run(FRAME_LIMIT, until_idle=True)
        assert shell.read(reg.ISR) == ier
        shell.write(reg.ISR, 0)
        assert shell.board.interrupt == line
        shell.write(reg.ISR, ier)
        assert shell.read(reg.ISR) == 0 and not shell.board.interrupt


def test_writing_while_a_job_runs_changes_nothing_and_is_told(shell):
    frames = shell.frames(2)
    shell.load(frames, mask=False)
    shell.start()
    for offset in (reg.SOURCE_LO, reg.SOURCE_HI, reg.FRAMES, reg.DESTINATION_LO, reg.DESTINATION_HI, reg.OUTPUT_MODE):
        before = shell.read(offset)
        shell.write(offset, 0xFFFF_FFFF)
        assert shell.read(offset) == before
        assert shell.read(reg.STATUS) & reg.STATUS_BUSY_WRITE
        shell.write(reg.STATUS, reg.STATUS_BUSY_WRITE)
    assert shell.read(reg.STATUS) & 0xFFFF == 0
    shell.start()
    assert shell.read(reg.STATUS) & reg.STATUS_BUSY_WRITE
    shell.finish(2)
    shell.check(frames, mask=False)


def test_the_reset_line_starts_afresh(shell):
    shell.load(shell.frames(3), mask=False)
    shell.start()
    shell.board.step(400)
    shell.board.reset()
    assert shell.read(reg.CTRL) == reg.CTRL_IDLE and shell.read(reg.FRAMES) == 0
    shell.run(shell.frames(2, seed=9), mask=False)


def test_memory_view_is_the_memory_of_the_hardware(shell):
    assert len(shell.memory) == MEMORY_BYTES and not shell.memory.any()
    shell.run(np.zeros((1, 16, 16, 3), np.uint8), mask=False)
