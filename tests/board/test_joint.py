"""Both accelerators of a cascade in one bitstream: the driver on a stand-in for pynq, and which folder opens what."""

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fake_device import CLOCK_MHZ, FakeDevice, images, logits_of

from board.cascade_folder import AtOnce, OneByOne, cascade_parts
from board.cascade_run import Cascade
from board.cascade_spec import CascadeSpec
from board.deploy import Deploy
from board.errors import BitstreamError, DeviceError
from board.io_spec import IoSpec, decide
from hw_build.implement.deploy.simulated import bit_container

SPECS = (IoSpec("first", 0x11, 16, 16, 3), IoSpec("second", 0x22, 8, 16, 3))
BASES = (0x43C0_0000, 0x43C1_0000)
HANDOFF = '<EDKSYSTEMINFO><MODULES><MODULE MODTYPE="processing_system7"/></MODULES></EDKSYSTEMINFO>'


class Board:
    """What pynq reaches: an accelerator at each base, memory port control words, and the names of lines asked for."""

    def __init__(self):
        self.devices = dict(zip(BASES, map(FakeDevice, SPECS), strict=True))
        self.devices[BASES[1]].memory = self.devices[BASES[0]].memory  # one memory behind both ports
        self.described = {f"edgeseg_{n}": base for n, base in reversed(list(enumerate(BASES)))}
        self.narrow, self.lines, self.loads = set(), [], 0


def fake_pynq(board):
    pynq, device = ModuleType("pynq"), SimpleNamespace(arch="armv7l")

    class Overlay:
        def __init__(self, bitfile, device=None):
            board.loads += 1
            self.device = device
            self.ip_dict = {
                name: {"type": "edgeseg:user:edgeseg:1.0", "phys_addr": base, "addr_range": 4096}
                for name, base in board.described.items()
            }

    def mmio(address, length, device=None):
        if address in board.devices:
            return board.devices[address]
        return SimpleNamespace(read=lambda offset: int(address + offset in board.narrow))

    def allocate(shape, dtype, target):
        assert target is device
        return board.devices[BASES[0]].allocate(shape, dtype)

    pynq.Overlay, pynq.MMIO, pynq.allocate = Overlay, mmio, allocate
    pynq.Device = SimpleNamespace(active_device=device)
    pynq.Clocks = SimpleNamespace(fclk0_mhz=CLOCK_MHZ)
    pynq.interrupt = SimpleNamespace(get_uio_irq=lambda line: board.lines.append(line))
    return pynq


@pytest.fixture
def board(monkeypatch, tmp_path):
    made = Board()
    monkeypatch.setitem(sys.modules, "pynq", fake_pynq(made))
    monkeypatch.setenv("EDGESEG_LOCK", str(tmp_path / "lock"))
    for name in ("board.driver", "board.cascade_overlay"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield made
    for name in ("board.driver", "board.cascade_overlay"):
        sys.modules.pop(name, None)


@pytest.fixture
def driver(board):
    return importlib.import_module("board.driver")


@pytest.fixture
def folder(tmp_path):
    """A cascade's folder with the bitstream of both."""
    spec = CascadeSpec.of_scales(1 / 32, 1 / 16, 0.5, 0.6, networks=("a", "b"))
    (tmp_path / "cascade.json").write_text(spec.text())
    for stage, network, io_spec in zip(("first", "second"), "ab", SPECS, strict=True):
        (tmp_path / stage).mkdir()
        (tmp_path / stage / "io_spec.json").write_text(io_spec.text())
        np.savez(tmp_path / stage / "golden.npz", model_sha256=np.array(network))
    (tmp_path / "edgeseg.bit").write_bytes(bit_container("edgeseg_top", "7z020clg400", bytes(8)))
    (tmp_path / "edgeseg.hwh").write_text(HANDOFF)
    return tmp_path


def expected(spec, frames):
    return decide(logits_of(frames, spec.classes))


def test_each_network_has_its_registers_memory_and_interrupt(board, driver, folder):
    with driver.JointOverlay(folder / "edgeseg.bit") as overlay:
        for number, spec in enumerate(SPECS):
            frames = images(3, seed=number, spec=spec)
            found = overlay.networks[number].segment_batch(frames)
            np.testing.assert_array_equal(found, expected(spec, frames))
            overlay._interrupt(number)
        assert [board.devices[base].events.count("start") for base in BASES] == [1, 1]
        assert not overlay.closed
    assert board.lines == [61, 62] and board.loads == 1 and overlay.closed
    assert board.devices[BASES[0]].freed == 4


def test_another_overlay_closes_it_and_has_either_network(board, driver, folder):
    first = driver.JointOverlay(folder / "edgeseg.bit")
    for number, stage in enumerate(("first", "second")):
        bitfile, found = Deploy(str(folder / stage)).bitfile()
        assert found == number and Path(bitfile) == folder / "edgeseg.bit"
        io_spec = folder / stage / "io_spec.json"
        with driver.SegmentationOverlay(bitfile, io_spec, accelerator=number) as accel:
            frames = images(1, spec=SPECS[number])
            np.testing.assert_array_equal(accel.segment_batch(frames), expected(SPECS[number], frames))
    assert first.closed


def test_a_bitstream_in_the_folder_itself_comes_first(folder):
    (folder / "second" / "edgeseg.bit").write_bytes(b"")
    assert Deploy(str(folder / "second")).bitfile() == (str(folder / "second" / "edgeseg.bit"), 0)


@pytest.mark.parametrize("offset", [0, 0x14])
def test_the_second_memory_port_of_32_bits_is_told_by_its_name(board, driver, folder, offset):
    board.narrow = {0xF800_9000 + offset}
    sentence = f"memory port HP1 is set to 32 bits .0x{0xF8009000 + offset:08X} reads 0x0000"
    with pytest.raises(DeviceError, match=sentence):
        driver.JointOverlay(folder / "edgeseg.bit")
    board.narrow = set()
    driver.JointOverlay(folder / "edgeseg.bit").close()  # the lock is free again


def test_a_handoff_file_of_one_accelerator_is_refused(board, driver, folder):
    board.described.pop("edgeseg_1")
    with pytest.raises(BitstreamError, match="the .hwh describes 1 of the cascade's two accelerators; copy it from"):
        driver.JointOverlay(folder / "edgeseg.bit")


def test_exchanged_accelerators_are_refused(board, driver, folder):
    board.described = {"edgeseg_0": BASES[1], "edgeseg_1": BASES[0]}  # the lower address is the first's all the same
    driver.JointOverlay(folder / "edgeseg.bit").close()
    (folder / "first" / "io_spec.json").write_text(SPECS[1].text())
    with pytest.raises(BitstreamError, match=r"holds network 0x0+11, io_spec.json describes 'second' 0x0+22"):
        driver.JointOverlay(folder / "edgeseg.bit")


def test_a_cascade_loads_the_joint_bitstream_once_and_again_after_it_was_closed(board, folder):
    overlay = importlib.import_module("board.cascade_overlay").CascadeOverlay
    image = np.zeros((16, 16, 3), np.uint8)
    image[4:8, 4:8, 1] = 255
    with overlay(folder) as cascade:
        one = cascade.segment(image).mask
        many = cascade.segment_batch([image, image])
        assert board.loads == 1 and all((found.mask == one).all() for found in many)
        assert isinstance(cascade.open_stage, AtOnce)
        cascade.close()
        np.testing.assert_array_equal(cascade.segment(image).mask, one)
        assert board.loads == 2
    reference = Cascade(cascade.spec, cascade.layouts, lambda stage: Reference())
    np.testing.assert_array_equal(reference.segment(image).mask, one)
    assert one.any()


class Reference:
    """The networks of the fake devices, in numpy."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def stream(self, frames, logits):
        return (logits_of(frame) for frame in frames)


def test_without_a_joint_bitstream_stages_are_opened_one_by_one(folder):
    (folder / "edgeseg.bit").unlink()
    opened = []
    _, _, opener = cascade_parts(folder, lambda deploy: opened.append(deploy.folder), lambda path: pytest.fail(path))
    assert isinstance(opener, OneByOne)
    opener(1), opener(0)
    assert opened == [str(folder / "second"), str(folder / "first")]
