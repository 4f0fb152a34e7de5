"""The tops of both families through the pins of their processing system: registers, frames, interrupt and resets."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ps_bench import device_bench
from shell_bench import FRAME_LIMIT, ULTRASCALE, ZYNQ_7000

from board import registers as reg
from hw_build.base.board_config import Family
from hw_build.implement.board_sim.device import PROCESSORS
from hw_build.implement.board_sim.library import DECERR, OKAY

SYSTEMS = {Family.ZYNQ_7000: ZYNQ_7000, Family.ZYNQ_ULTRASCALE: ULTRASCALE}


@pytest.fixture(params=PROCESSORS, scope="module")
def device(request):
    protocol = PROCESSORS[request.param].protocol
    return device_bench(SYSTEMS[request.param], request.param, protocol=protocol, stall=0.3, latency=30, seed=6)


def test_register_port(device):
    base, widest_id = device.system.control_base, 0xFFF if device.system is ZYNQ_7000 else 0xFFFF
    assert device.read(reg.IDENTITY) == reg.IDENTITY_VALUE
    for axi_id in (0, 0x801, widest_id):  # the bench wants each back unchanged
        assert device.board.burst_write(base + reg.SOURCE_LO, [0x1000_0008, 1], axi_id=axi_id) == OKAY
        words, _ = device.board.burst_read(base + reg.SOURCE_LO, 2, axi_id=axi_id)
        assert words == [0x1000_0008, 1]
    assert device.board.burst_read(base - 4096, 16)[1] == [DECERR] * 16


@pytest.mark.parametrize("mask", [False, True])
def test_frames_through_the_memory_port(device, mask):
    device.run(device.frames(3, seed=2), mask=mask, source=0x0FF8, destination=0x20F40)
    assert device.board.bus["longest"] == device.system.max_burst


def test_interrupt_pin(device):
    device.write(reg.GIE, 1)
    device.write(reg.IER, reg.IER_DONE)
    device.load(device.frames(1), mask=True)
    device.start()
    assert not device.board.interrupt and device.board.run(FRAME_LIMIT, until_interrupt=True)
    device.write(reg.ISR, reg.ISR_DONE)
    assert not device.board.interrupt


def test_reset_of_the_processing_system_in_mid_frame(device):
    device.load(device.frames(3), mask=False)
    device.start()
    device.board.step(300)
    device.board.reset()
    assert device.read(reg.CTRL) == reg.CTRL_IDLE and device.read(reg.FRAMES) == 0
    device.run(device.frames(2, seed=4), mask=False)
