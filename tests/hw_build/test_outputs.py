"""Where commands write: links, foreign folders, full disks, interruptions. What was there is kept or replaced whole."""

import os
import resource
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import exports

from hw_build.base.arrays import write_arrays
from hw_build.base.errors import BuildError
from hw_build.base.step_engine import LOCK, Pipeline, Step, fresh_folder, write_atomically
from hw_build.cli import main as cli
from tests.hw_build import synthetic


@contextmanager
def files_of_at_most(size):
    """Writing more bytes into a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def network_file(folder):
    net = synthetic.Net(seed=3)
    net.head(net.conv_bn(net.image(), 4, 3, "stem", bits=8))
    net.model("logits", 16, 16).save(str(folder / "network.onnx"))
    return folder / "network.onnx"


def refused(capsys, arguments):
    capsys.readouterr()
    assert cli.main([str(argument) for argument in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


# -- links -------------------------------------------------------------------------------------------------------------


def test_a_link_to_a_folder_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "old").touch()
    (tmp_path / "link").symlink_to("far")
    with fresh_folder(tmp_path / "link") as folder:
        (folder / "new").touch()
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["new"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["far", "link"]


def test_a_link_to_a_folder_that_is_not_there_makes_it(tmp_path):
    (tmp_path / "link").symlink_to("far")
    with fresh_folder(tmp_path / "link") as folder:
        (folder / "new").touch()
    assert (tmp_path / "far" / "new").is_file() and (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("there", [True, False])
def test_a_link_to_a_file_stays_and_the_file_is_replaced(tmp_path, there):
    (tmp_path / "disk").mkdir()
    far = tmp_path / "disk" / "far"
    if there:
        far.write_bytes(b"old")
    (tmp_path / "link").symlink_to(far)
    write_atomically(tmp_path / "link", b"new")
    assert far.read_bytes() == b"new" and (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["far"]


def test_an_export_through_a_link(tmp_path):
    model = network_file(tmp_path)
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far")
    for _ in range(2):
        assert cli.main(["adopt", str(model), "--out", str(tmp_path / "link")]) == 0
    assert sorted(path.name for path in (tmp_path / "far").iterdir()) == ["golden.npz", "manifest.json", "model.qonnx"]


def test_the_current_folder_and_a_mount_are_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (Path(), Path("/proc")):
        with (
            pytest.raises(BuildError, match=r"is the current folder or a mount, which cannot be"),
            fresh_folder(folder),
        ):
            pass
    assert tmp_path.is_dir() and list(tmp_path.parent.glob(".*partial*")) == []


# -- an interruption and a full disk -----------------------------------------------------------------------------------


def test_an_interruption_between_old_and_new_keeps_the_old(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    replace = os.replace

    def interrupted(source, target):
        if target == tmp_path / "out" and ".partial" in source.name:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt), fresh_folder(tmp_path / "out") as folder:
        (folder / "new").touch()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_arrays_on_a_full_disk_are_whole_or_not_there(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, 10_000, np.uint8)
    with files_of_at_most(1000), pytest.raises(OSError):
        write_arrays(tmp_path / "folder" / "arrays.npz", noise=noise)
    assert list((tmp_path / "folder").iterdir()) == []
    write_arrays(tmp_path / "folder" / "arrays.npz", noise=noise)
    with np.load(tmp_path / "folder" / "arrays.npz") as arrays:
        np.testing.assert_array_equal(arrays["noise"], noise)


def test_adopt_on_a_full_disk_keeps_the_export_that_was_there(tmp_path, capsys):
    model = network_file(tmp_path)
    assert cli.main(["adopt", str(model), "--out", str(tmp_path / "out")]) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with files_of_at_most(600):
        line = refused(capsys, ["adopt", model, "--out", tmp_path / "out", "--count", "3"])
    assert "File too large" in line and "check path, permissions and space" in line
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.onnx", "out"]


# -- folders of something else -----------------------------------------------------------------------------------------


def pipeline(folder):
    def run(partial, needed):
        (folder / "rtl").mkdir(exist_ok=True)
        return {}

    return Pipeline(folder, [Step(name="one", run=run, published=("rtl",))])


@pytest.mark.parametrize("name", ["rtl", "steps"])
def test_a_build_replaces_nothing_that_no_build_left(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "letter.txt").write_text("kept")
    with pytest.raises(BuildError, match=f"holds '{name}', which is not from a build and would be replaced; give"):
        pipeline(tmp_path).run()
    assert [path.relative_to(tmp_path).name for path in tmp_path.rglob("*")] == [name, "letter.txt"]


def test_a_build_goes_on_beside_other_files_and_in_a_copy_without_hidden_files(tmp_path):
    (tmp_path / "log.txt").touch()
    pipeline(tmp_path).run()
    (tmp_path / LOCK).unlink()
    assert pipeline(tmp_path).run()["one"].cached


@pytest.mark.parametrize("command", ["simulate", "netlist", "deploy"])
def test_a_build_that_is_not_there_is_a_sentence_and_is_not_made(tmp_path, capsys, command):
    export = exports.write_export(tmp_path / "export")
    line = refused(capsys, [command, "--export", export, "--out", tmp_path / "typo"])
    assert line.endswith("/typo' holds no build; give the --out of one, or run `python -m hw_build build`")
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize("command", ["ip", "bitstream", "synth", "hls"])
def test_a_folder_without_a_build_gets_no_file(tmp_path, capsys, command):
    (tmp_path / "letter.txt").touch()
    assert "holds no build" in refused(capsys, [command, "--out", tmp_path])
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
