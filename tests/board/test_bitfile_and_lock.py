"""The bitstream's header whole or refused; one process at a time on the device."""

import os
import subprocess
import sys

import pytest

from board.bitfile import check_handoff, read_header
from board.errors import BitstreamError, DeviceError
from board.lock import DeviceLock
from hw_build.implement.deploy.simulated import bit_container


def test_header(tmp_path):
    path = tmp_path / "some.bit"
    path.write_bytes(bit_container("top", "7z020clg400", b"\xaa\x99\x55\x66" * 4))
    header = read_header(path)
    assert (header["design"], header["part"], header["length"]) == ("top", "7z020clg400", 16)


def test_any_truncation_is_refused(tmp_path):
    path, whole = tmp_path / "some.bit", bit_container("top", "7z020clg400", bytes(8))
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(BitstreamError, match="is truncated or not a bitstream .*; copy it again"):
            read_header(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(BitstreamError, match="8 bytes of configuration announced, 9 there"):
        read_header(path)


def test_missing_bitstream(tmp_path):
    with pytest.raises(BitstreamError, match=r"cannot be read \(No such file or directory\)"):
        read_header(tmp_path / "none.bit")


@pytest.mark.parametrize("path", ["/dev/zero", "/"])
def test_what_is_no_file_is_not_read(path):
    with pytest.raises(BitstreamError, match=f"bitstream '{path}' is not a file; copy it from the deploy folder"):
        read_header(path)


def test_handoff_file_is_whole_or_refused(tmp_path):
    path, whole = tmp_path / "some.hwh", '<A><MODULES><MODULE MODTYPE="processing_system7"/></MODULES></A>'
    with pytest.raises(
        BitstreamError, match=r"some.hwh' cannot be read \(No such file or directory\); copy .bit and .hwh"
    ):
        check_handoff(path)
    for length in range(len(whole)):
        path.write_text(whole[:length])
        with pytest.raises(BitstreamError, match="some.hwh' is truncated or not a .hwh file .*; copy it again"):
            check_handoff(path)
    path.write_text(whole.replace("processing_system7", "zynq"))
    with pytest.raises(BitstreamError, match=r"\(it describes no processing system\)"):
        check_handoff(path)
    for family in ("processing_system7", "zynq_ultra_ps_e"):
        path.write_text(whole.replace("processing_system7", family))
        check_handoff(path)


def test_second_process_is_told_who_holds_the_device(tmp_path, monkeypatch):
    path = str(tmp_path / "lock")
    monkeypatch.setenv("EDGESEG_LOCK", path)
    holder = subprocess.Popen(
        [sys.executable, "-c", "from board.lock import DeviceLock; held = DeviceLock(); print('held'); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DeviceError, match=f"in use by process {holder.pid}; end that one"):
            DeviceLock()
    finally:
        holder.kill()
        holder.communicate()
    lock = DeviceLock()  # gone with its process, even a killed one
    with pytest.raises(DeviceError, match=f"in use by process {os.getpid()}"):
        DeviceLock()
    lock.release()
    lock.release()
    forgotten = DeviceLock()
    del forgotten
    DeviceLock().release()


def test_lock_of_another_user_is_opened_and_not_created(tmp_path, monkeypatch):
    path, flags = tmp_path / "lock", []
    monkeypatch.setenv("EDGESEG_LOCK", str(path))
    system_open = os.open

    def opened(name, flag, *mode):
        flags.append(flag)
        return system_open(name, flag, *mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", opened)
        DeviceLock().release()
        DeviceLock().release()
    assert [bool(flag & os.O_CREAT) for flag in flags] == [False, True, False]


def test_lock_file_that_is_a_link_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv("EDGESEG_LOCK", str(tmp_path / "lock"))
    with pytest.raises(DeviceError, match="cannot be opened"):
        DeviceLock()
    assert not (tmp_path / "elsewhere").exists()
