"""What goes wrong around the shell: bus errors, a faulty accelerator, wrong addresses, hangs; it recovers from each."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from shell_bench import (
    BOARDS,
    EAGER,
    FRAME_LIMIT,
    MEMORY,
    MEMORY_BYTES,
    SILENT,
    STUCK,
    TLAST_ALWAYS,
    TLAST_NEVER,
    bench,
)

from board import registers as reg
from hw_build.implement.board_sim.library import Fault


@pytest.fixture(params=BOARDS)
def shell(request):
    made, protocol = BOARDS[request.param]
    return bench(made, protocol=protocol, seed=11, stall=0.3, latency=30)


def ordered(shell, order, frames=1):
    """Frames of which the first brings an order to the stand-in."""
    codes = shell.frames(frames)
    codes[0, 0, 0, :2] = order, 0xA5
    return codes


@pytest.mark.parametrize(
    ("fault", "bit"),
    [
        (Fault.READ_SLVERR, reg.STATUS_READ_SLVERR),
        (Fault.READ_DECERR, reg.STATUS_READ_DECERR),
        (Fault.WRITE_SLVERR, reg.STATUS_WRITE_SLVERR),
        (Fault.WRITE_DECERR, reg.STATUS_WRITE_DECERR),
    ],
)
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_bus_error_is_told_and_the_job_ends(shell, fault, bit, after):
    shell.load(shell.frames(2), mask=False)
    shell.board.inject(fault, after=after)
    shell.start()
    shell.finish(2)
    assert shell.read(reg.STATUS) == bit
    assert shell.read(reg.FRAMES_DONE) == 2
    shell.write(reg.STATUS, 0xFFFF & ~bit)
    assert shell.read(reg.STATUS) == bit
    shell.write(reg.STATUS, bit)
    shell.run(shell.frames(1, seed=after), mask=True)  # demands that STATUS is 0


def test_addresses_without_memory(shell):
    shell.load(shell.frames(1), mask=False, source=0)
    shell.write(reg.DESTINATION_LO, MEMORY + MEMORY_BYTES - 512)  # the second half lies outside
    shell.start()
    shell.finish()
    assert shell.read(reg.STATUS) == reg.STATUS_WRITE_DECERR
    shell.write(reg.STATUS, 0xFFFF)
    shell.write(reg.SOURCE_LO, 0)
    shell.write(reg.DESTINATION_LO, MEMORY + 0x20000)
    shell.start()
    shell.finish()
    assert shell.read(reg.STATUS) == reg.STATUS_READ_DECERR


@pytest.mark.parametrize(
    ("register", "value", "bit"),
    [
        (reg.SOURCE_LO, MEMORY + 4, reg.STATUS_SOURCE_MISALIGNED),
        (reg.SOURCE_LO, MEMORY + 1, reg.STATUS_SOURCE_MISALIGNED),
        (reg.DESTINATION_LO, MEMORY + 0x20002, reg.STATUS_DESTINATION_MISALIGNED),
        (reg.SOURCE_HI, 1 << 17, reg.STATUS_ADDRESS_RANGE),  # bit 49, the first that neither board has
        (reg.DESTINATION_HI, 1 << 31, reg.STATUS_ADDRESS_RANGE),
    ],
)
def test_a_wrong_address_refuses_the_job(shell, register, value, bit):
    frames = shell.frames(1)
    shell.load(frames, mask=False)
    right = shell.read(register)
    shell.write(register, value)
    shell.start()
    assert shell.read(reg.CTRL) == reg.CTRL_DONE | reg.CTRL_READY | reg.CTRL_IDLE
    assert shell.read(reg.STATUS) == bit and shell.read(reg.FRAMES_DONE) == 0
    assert shell.board.bus["read_bursts"] == shell.board.bus["write_bursts"] == 0
    shell.write(reg.STATUS, bit)
    shell.write(register, right)
    shell.start()
    shell.finish()
    shell.check(frames, mask=False)


@pytest.mark.parametrize(
    ("order", "bit"), [(TLAST_ALWAYS, reg.STATUS_TLAST_EARLY), (TLAST_NEVER, reg.STATUS_TLAST_LATE)]
)
@pytest.mark.parametrize("mask", [False, True])
def test_a_wrong_tlast_is_told_and_moves_nothing(shell, order, bit, mask):
    frames = ordered(shell, order, 2)
    shell.load(frames, mask=mask)
    shell.start()
    shell.finish(2)
    assert shell.read(reg.STATUS) == bit
    shell.check(frames, mask=mask)
    shell.soft_reset()
    assert shell.read(reg.STATUS) == 0
    shell.run(shell.frames(2, seed=4), mask=mask)


@pytest.mark.parametrize(("order", "bit"), [(SILENT, reg.STATUS_OUTPUT_WAITS), (STUCK, reg.STATUS_INPUT_WAITS)])
def test_a_reset_recovers_from_an_accelerator_that_stands_still(shell, order, bit):
    shell.load(ordered(shell, order, 3), mask=False)
    shell.start()
    assert not shell.board.run(FRAME_LIMIT, until_idle=True)
    assert shell.read(reg.STATUS) & bit
    assert shell.read(reg.CTRL) == reg.CTRL_START
    shell.soft_reset()
    assert shell.read(reg.CTRL) == reg.CTRL_IDLE
    assert [shell.read(r) for r in (reg.STATUS, reg.FRAMES_DONE, reg.JOB_CYCLES, reg.ISR)] == [0] * 4
    shell.run(shell.frames(2, seed=2), mask=False)


def test_a_job_is_not_done_before_all_of_it_is_read(shell):
    shell.load(ordered(shell, EAGER, 4), mask=True)
    shell.start()
    assert not shell.board.run(FRAME_LIMIT, until_idle=True)
    assert shell.read(reg.FRAMES_DONE) == 4 and shell.read(reg.CTRL) == reg.CTRL_START
    shell.soft_reset()
    shell.run(shell.frames(2, seed=3), mask=True)


@pytest.mark.parametrize("mask", [False, True])
def test_a_reset_at_any_cycle_then_a_correct_frame(shell, mask):
    rng = np.random.default_rng(1)
    for cycle in rng.integers(0, 3000, 40):
        shell.load(shell.frames(4, seed=int(cycle)), mask=mask)
        shell.start()
        shell.board.step(int(cycle))
        shell.soft_reset()
        shell.run(shell.frames(1, seed=int(cycle) + 1), mask=mask)


def test_a_reset_of_an_idle_shell(shell):
    shell.soft_reset()
    shell.soft_reset()
    shell.run(shell.frames(1), mask=True)


def test_a_start_in_any_cycle_of_a_reset_is_ignored_or_a_whole_job(shell):
    outcomes = set()
    for delay in range(48):
        frames = shell.frames(1, seed=delay)
        shell.load(frames, mask=True)
        shell.write(reg.SOFT_RESET, reg.SOFT_RESET_RESET)
        shell.board.step(delay)
        shell.start()
        taken = shell.read(reg.CTRL) == reg.CTRL_START
        outcomes.add(taken)
        if not taken:
            while shell.read(reg.SOFT_RESET):
                shell.board.step(1)
            shell.start()
        shell.finish()
        shell.check(frames, mask=True)
    assert outcomes == {False, True}


def test_registers_can_be_set_while_a_reset_drains(shell):
    shell.load(shell.frames(3), mask=False)
    shell.board.inject(Fault.READ_HANG)
    shell.start()
    shell.board.step(200)
    shell.write(reg.SOFT_RESET, reg.SOFT_RESET_RESET)
    frames = shell.frames(1, seed=8)
    shell.load(frames, mask=True)
    shell.start()  # ignored: the reset drains
    shell.board.inject(Fault.NONE)
    shell.soft_reset()
    assert shell.read(reg.CTRL) == reg.CTRL_IDLE
    shell.start()
    shell.finish()
    shell.check(frames, mask=True)


@pytest.mark.parametrize("fault", [Fault.READ_HANG, Fault.READ_REFUSED, Fault.WRITE_HANG, Fault.WRITE_REFUSED])
@pytest.mark.parametrize("after", [0, 2])
def test_a_reset_abandons_no_transaction(shell, fault, after):
    shell.load(shell.frames(2), mask=False)
    shell.board.inject(fault, after=after)
    shell.start()
    assert not shell.board.run(20_000, until_idle=True)
    shell.write(reg.SOFT_RESET, reg.SOFT_RESET_RESET)
    shell.board.step(20_000)
    reading = fault in (Fault.READ_HANG, Fault.READ_REFUSED)
    assert shell.read(reg.SOFT_RESET) == reg.SOFT_RESET_RESET  # it waits: the bus still owes an answer
    assert shell.read(reg.STATUS) & (reg.STATUS_READING if reading else reg.STATUS_WRITING)
    before = shell.board.bus
    shell.board.inject(Fault.NONE)
    shell.soft_reset()
    after_reset = shell.board.bus
    assert after_reset["read_bursts"] <= before["read_bursts"] + 1  # the one that was offered, no new one
    assert after_reset["write_bursts"] <= before["write_bursts"] + 1
    shell.run(shell.frames(2, seed=6), mask=False)
