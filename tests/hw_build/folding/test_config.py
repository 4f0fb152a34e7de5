"""Folding files and targets: what is read, and each refusal."""

import pytest

from hw_build.base.errors import ConfigError
from hw_build.folding.config import FoldingConfig, load_folding


def test_default_fits_the_limit_of_the_demo():
    assert load_folding("default").target_cycles((256, 256)) <= 3_000_000


def test_number_is_a_target_per_frame():
    assert load_folding("500000").target_cycles((64, 64)) == 500_000


def test_file_with_target_per_pixel_and_nodes(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text("cycles_per_pixel = 8\n[ConvThreshold_rtl_0]\nPE = 2\n")
    folding = load_folding(str(path))
    assert folding.target_cycles((32, 64)) == 16_384
    assert folding.nodes == {"ConvThreshold_rtl_0": {"PE": 2}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cycles_per_pixel =", "is not TOML"),
        ("cycles_per_pixel = 0", "cycles_per_pixel must be above 0, got 0"),
        ("cycles_per_frame = 2.5", "cycles_per_frame is 2.5, not int"),
        (
            "[ConvThreshold_rtl_0]\nPE = 2",
            "a folding names one of .*, or .* got none of them",
        ),
        ("cycles_per_pixel = 1\ncycles_per_frame = 1", "a folding names one of"),
        ("cycles_per_pixel = 1\ntarget = 3", "'target' is neither one of .* nor a table; write .target. with PE"),
        ("frames_per_second = 0", "frames_per_second must be at least 1e-06, got 0"),
        ("frames_per_second = 60\nmax_luts = 1.5", "max_luts is 1.5, not int"),
        ("frames_per_second = 60\ncycles_per_pixel = 8", "a folding names one of"),
        ("clock_mhz = 100", "a folding names one of"),
        ("frames_per_second = nan", "frames_per_second is NaN, not float"),
        ("frames_per_second = inf", "frames_per_second is Infinity, not float"),
        ("max_luts = 10_000_000_000_000", r"max_luts must be at most 1e\+12, got 10000000000000"),
        ("frames_per_second = 60\nclock_mhz = 1e-300", "clock_mhz must be at least 1e-06, got 1e-300"),
        (
            "cycles_per_pixel = 1\n[A]\nPE = 2006-02-10",
            r"nodes.A.PE is \[.date., .2006-02-10.\], not int or str",
        ),
        ("cycles_per_pixel = 1\n[A]\nPE = [1]", r"nodes.A.PE is \[1\], not int or str"),
        ("frames_per_second = 60\nmax_latency_frames = 0", "max_latency_frames must be at least 1e-06, got 0"),
    ],
)
def test_wrong_file(tmp_path, text, sentence):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"folding file '.*own.toml'.*{sentence}"):
        load_folding(str(path))


def test_rate_counts_cycles_of_the_clock():
    assert load_folding("pynq-z2-60fps").target_cycles((256, 256)) == 1_388_888
    assert FoldingConfig(frames_per_second=50, clock_mhz=80).target_cycles((64, 64)) == 1_600_000


def test_a_rate_or_a_number_beyond_sense_is_a_target_that_numpy_can_hold():
    slowest = FoldingConfig(frames_per_second=1e-6, clock_mhz=1e12).target_cycles((64, 64))
    assert slowest == FoldingConfig(cycles_per_pixel=10**12).target_cycles((4096, 4096)) == 10**12


def test_limits_alone_ask_for_the_best_rate():
    fastest = load_folding("pynq-z2-max")
    assert fastest.optimised and fastest.target_cycles((256, 256)) is None
    assert not load_folding("default").optimised


def test_unknown_name():
    known = "default, pynq-z2-60fps, pynq-z2-low-latency, pynq-z2-max"
    with pytest.raises(
        ConfigError, match=f"unknown folding 'fastest'; known: {known}, or give a TOML file or a number"
    ):
        load_folding("fastest")
    with pytest.raises(ConfigError, match="cycles_per_frame must be at most 1e\\+12, got a number of 5000 digits"):
        load_folding("9" * 5000)
    with pytest.raises(ConfigError, match=r"unknown folding 'none.toml'"):
        load_folding("none.toml")
