"""The accelerator under PYNQ: ``accel = SegmentationOverlay("edgeseg.bit"); mask = accel.segment(image)``.

Needs pynq 3.0 or newer and root. Beside ``NAME.bit`` lie ``NAME.hwh`` and ``io_spec.json``. Everything that does not
need pynq is in ``board.segmenter``.
"""

import contextlib
import os
import struct
import warnings
import weakref

import pynq

from board.bitfile import check_handoff, read_header
from board.cascade_spec import STAGES
from board.deploy import IO_SPEC
from board.errors import BitstreamError, DeviceError
from board.io_spec import read_io_spec
from board.lock import DeviceLock
from board.segmenter import FRAMES_PER_JOB, TIMEOUT_S, Segmenter
from board.uio import UioInterrupt

IP_TYPE = "edgeseg:user:edgeseg:"
# Port HP0 of a Zynq-7000: bit 0 of its read and write control narrows it to 32 bits; the boot loader may have set it.
# Those of HP1 lie one page further.
AFI0_READ_CONTROL, AFI0_WRITE_CONTROL, AFI0_BYTES, AFI_PAGE = 0xF8008000, 0xF8008014, 0x18, 0x1000

INTERRUPT_LINES = {"armv7l": 61, "aarch64": 121}  # first line from the fabric, as the interrupt controller counts


class LoadedBitstream(pynq.Overlay):
    """A bitstream that this process alone has loaded, with one accelerator or several: what all overlays share."""

    _latest = None

    def _take(self, bitfile, device, make):
        """Downloads ``bitfile`` in place of what this process had, then calls ``make()``.

        Only one process can hold the accelerators at a time. Within a process, a new overlay closes the previous one,
        so that a notebook cell can be run again.
        """
        self.header = read_header(bitfile)
        check_handoff(os.path.splitext(bitfile)[0] + ".hwh")
        previous = LoadedBitstream._latest and LoadedBitstream._latest()
        if previous is not None:
            previous.close()
        self._lock = DeviceLock()
        try:
            self._load(bitfile, device)
            make()
        except BaseException:
            self._lock.release()
            raise
        LoadedBitstream._latest = weakref.ref(self)

    def _load(self, bitfile, device):
        """Downloads the bitstream."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the error below says it better
                target = device or pynq.Device.active_device
        except RuntimeError as error:
            raise DeviceError(
                f"pynq finds no device ({error}); run this on a PYNQ board, as root with its environment (sudo -i)"
            ) from None
        try:
            pynq.Overlay.__init__(self, bitfile, device=target)
        except PermissionError as error:
            raise DeviceError(f"the bitstream cannot be loaded ({error}); run as root") from None
        except (RuntimeError, OSError, ValueError, struct.error) as error:
            raise BitstreamError(
                f"pynq cannot load '{bitfile}' ({error}); check that .bit and .hwh come from the same deploy folder "
                "and that you are root"
            ) from None

    def _arguments(self, number, spec, frames_per_job, timeout_s, cacheable):
        """What ``Segmenter`` takes for accelerator ``number``, whose memory port is checked."""
        registers = self._registers(number)
        if getattr(self.device, "arch", "") == "armv7l":
            self._check_port(number)
        options = {"target": self.device, **({"cacheable": 1} if cacheable else {})}
        return (
            registers, lambda shape, dtype: pynq.allocate(shape, dtype, **options), spec, pynq.Clocks.fclk0_mhz,
            frames_per_job, timeout_s, lambda: self._interrupt(number),
        )  # fmt: skip

    def _check_port(self, number):
        page = AFI_PAGE * number
        port = pynq.MMIO(AFI0_READ_CONTROL + page, AFI0_BYTES, device=self.device)
        for address in (AFI0_READ_CONTROL, AFI0_WRITE_CONTROL):
            value = port.read(address - AFI0_READ_CONTROL)
            if value & 1:
                name = f"HP{number}"
                raise DeviceError(
                    f"memory port {name} is set to 32 bits (0x{address + page:08X} reads 0x{value:08X}), the "
                    f"accelerator needs 64; boot an image whose boot loader leaves {name} at 64 bits, such as PYNQ's "
                    "own"
                )

    def _registers(self, number):
        found = [each for each in self.ip_dict.values() if str(each.get("type", "")).startswith(IP_TYPE)]
        if number >= len(found):
            many = f"{len(found)} of the cascade's two accelerators" if found else "no edgeseg accelerator"
            raise BitstreamError(f"the .hwh describes {many}; copy it from the deploy folder")
        description = sorted(found, key=lambda each: each["phys_addr"])[number]
        return pynq.MMIO(description["phys_addr"], description["addr_range"], device=self.device)

    def _interrupt(self, number):
        """The interrupt of an accelerator, where the kernel's device tree hands it to user space; or None.

        PYNQ's device tree does so for the first line.
        """
        first = INTERRUPT_LINES.get(self.device.arch)
        try:
            path = pynq.interrupt.get_uio_irq(None if first is None else first + number)
            return UioInterrupt(os.open(path, os.O_RDWR | os.O_CLOEXEC)) if path else None
        except OSError:
            return None


class SegmentationOverlay(Segmenter, LoadedBitstream):
    """The overlay, downloaded, identified and ready; see ``board.segmenter.Segmenter`` for its calls.

    ``bitfile`` is the path of the bitstream, ``io_spec`` that of the description (by default beside the bitstream).
    ``cacheable`` puts the buffers into cached memory. ``accelerator`` is the number of the one that is meant, where the
    bitstream holds several.
    """

    def __init__(
        self, bitfile, io_spec=None, frames_per_job=FRAMES_PER_JOB, timeout_s=TIMEOUT_S, cacheable=False, device=None,
        accelerator=0,
    ):  # fmt: skip
        bitfile = os.path.abspath(str(bitfile))
        spec = read_io_spec(io_spec or os.path.join(os.path.dirname(bitfile), IO_SPEC))

        def make():
            Segmenter.__init__(self, *self._arguments(accelerator, spec, frames_per_job, timeout_s, cacheable))

        self._take(bitfile, device, make)

    def close(self):
        """Ends whatever runs, frees the buffers, and lets the next process in."""
        try:
            Segmenter.close(self)
        finally:
            self._lock.release()


class JointOverlay(LoadedBitstream):
    """One bitstream with both accelerators of a cascade: ``networks`` holds a ``board.segmenter.Segmenter`` of each.

    ``io_specs`` are the paths of their descriptions, by default those in ``first/`` and ``second/`` beside the
    bitstream. The other arguments are those of ``SegmentationOverlay``. ``closed`` says that ``close`` was called.
    """

    def __init__(
        self, bitfile, io_specs=None, frames_per_job=FRAMES_PER_JOB, timeout_s=TIMEOUT_S, cacheable=False, device=None
    ):
        bitfile = os.path.abspath(str(bitfile))
        beside = [os.path.join(os.path.dirname(bitfile), stage, IO_SPEC) for stage in STAGES]
        specs = [read_io_spec(path) for path in io_specs or beside]
        self.networks, self.closed = (), False

        def make():
            self.networks = tuple(
                Segmenter(*self._arguments(number, spec, frames_per_job, timeout_s, cacheable))
                for number, spec in enumerate(specs)
            )

        self._take(bitfile, device, make)

    def close(self):
        """Ends whatever runs, frees the buffers, and lets the next process in."""
        self.closed = True
        with contextlib.ExitStack() as closing:
            closing.callback(self._lock.release)
            for network in self.networks:
                closing.callback(network.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
