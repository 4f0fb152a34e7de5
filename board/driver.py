"""The accelerator under PYNQ: ``accel = SegmentationOverlay("edgeseg.bit"); mask = accel.segment(image)``.

Needs pynq 3.0 or newer and root. Beside ``NAME.bit`` lie ``NAME.hwh`` and ``io_spec.json``. Everything that does not
need pynq is in ``board.segmenter``.
"""

import os
import struct
import warnings
import weakref

import pynq

from board.bitfile import check_handoff, read_header
from board.errors import BitstreamError, DeviceError
from board.io_spec import read_io_spec
from board.lock import DeviceLock
from board.segmenter import FRAMES_PER_JOB, TIMEOUT_S, Segmenter
from board.uio import UioInterrupt

IP_TYPE = "edgeseg:user:edgeseg:"
IO_SPEC = "io_spec.json"
# Port HP0 of a Zynq-7000: bit 0 of its read and write control narrows it to 32 bits; the boot loader may have set it.
AFI0_READ_CONTROL, AFI0_WRITE_CONTROL, AFI0_BYTES = 0xF8008000, 0xF8008014, 0x18

INTERRUPT_LINES = {"armv7l": 61, "aarch64": 121}  # first line from the fabric, as the interrupt controller counts


class SegmentationOverlay(Segmenter, pynq.Overlay):
    """The overlay, downloaded, identified and ready; see ``board.segmenter.Segmenter`` for its calls.

    ``bitfile`` is the path of the bitstream, ``io_spec`` that of the description (by default beside the bitstream).
    ``cacheable`` puts the buffers into cached memory. Only one process can hold the accelerator at a time. Within a
    process, a new overlay closes the previous one, so that a notebook cell can be run again.
    """

    _latest = None

    def __init__(
        self, bitfile, io_spec=None, frames_per_job=FRAMES_PER_JOB, timeout_s=TIMEOUT_S, cacheable=False, device=None
    ):
        bitfile = os.path.abspath(str(bitfile))
        spec = read_io_spec(io_spec or os.path.join(os.path.dirname(bitfile), IO_SPEC))
        self.header = read_header(bitfile)
        check_handoff(os.path.splitext(bitfile)[0] + ".hwh")
        previous = SegmentationOverlay._latest and SegmentationOverlay._latest()
        if previous is not None:
            previous.close()
        self._lock = DeviceLock()
        try:
            self._load(bitfile, device)
            options = {"target": self.device, **({"cacheable": 1} if cacheable else {})}
            Segmenter.__init__(
                self, self._registers(), lambda shape, dtype: pynq.allocate(shape, dtype, **options), spec,
                pynq.Clocks.fclk0_mhz, frames_per_job, timeout_s, self._interrupt,
            )  # fmt: skip
        except BaseException:
            self._lock.release()
            raise
        SegmentationOverlay._latest = weakref.ref(self)

    def close(self):
        """Ends whatever runs, frees the buffers, and lets the next process in."""
        try:
            Segmenter.close(self)
        finally:
            self._lock.release()

    def _load(self, bitfile, device):
        """Downloads the bitstream and checks the processor's port."""
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
        if getattr(target, "arch", "") == "armv7l":
            self._check_port()

    def _check_port(self):
        port = pynq.MMIO(AFI0_READ_CONTROL, AFI0_BYTES, device=self.device)
        for address in (AFI0_READ_CONTROL, AFI0_WRITE_CONTROL):
            value = port.read(address - AFI0_READ_CONTROL)
            if value & 1:
                raise DeviceError(
                    f"memory port HP0 is set to 32 bits (0x{address:08X} reads 0x{value:08X}), the accelerator needs "
                    "64; boot an image whose boot loader leaves HP0 at 64 bits, such as PYNQ's own"
                )

    def _registers(self):
        for description in self.ip_dict.values():
            if str(description.get("type", "")).startswith(IP_TYPE):
                return pynq.MMIO(description["phys_addr"], description["addr_range"], device=self.device)
        raise BitstreamError("the .hwh describes no edgeseg accelerator; copy it from the deploy folder")

    def _interrupt(self):
        """The accelerator's interrupt, where the kernel's device tree hands it to user space (PYNQ's does); or None."""
        try:
            path = pynq.interrupt.get_uio_irq(INTERRUPT_LINES.get(self.device.arch))
            return UioInterrupt(os.open(path, os.O_RDWR | os.O_CLOEXEC)) if path else None
        except OSError:
            return None
