"""Every command that reads TOML works with any file, or ends with one sentence: never a traceback, nor a defect."""

import tomllib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hw_build.base.board_config import BOARDS
from hw_build.cli.main import main as hw_build
from quant.__main__ import main as quant
from tests.hw_build import exports, synthetic
from tests.properties.examples import examples
from tests.properties.toml_tables import VALUES, altered, text_of, texts

torch.set_num_threads(1)

BOARD = tomllib.loads((BOARDS / "pynq-z2.toml").read_text())
FOLDINGS = [
    {"cycles_per_pixel": 32},
    {"cycles_per_frame": 20_000, "ConvThreshold_rtl_0": {"PE": 2, "SIMD": 3}},
    {"frames_per_second": 60, "max_luts": 42_500, "max_latency_frames": 2.5},
    {"max_bram36": 100, "max_dsps": 40, "clock_mhz": 50.5},
]
BITS = {"input": 8, "first_weight": 8, "last_weight": 8, "dense_weight": 4, "activation": 4, "sum": 5, "upsample": 3}
QUANT = {"name": "own", "bits": BITS, "layers": {"stem.0": {"weight": 5}, "stem.2": {"activation": 6}}}
RECIPE = {
    **{"model": "cmunext-tiny-hw", "seed": 1, "size": 16, "epochs": 1, "batch": 2, "lr": 1e-3, "weight_decay": 0.0},
    **{"schedule": "cosine", "precision": "float32", "ema": 0.5, "augmentation": "strong", "calibration": "train"},
    "stages": [
        {"name": "float"},
        {
            "name": "w4a4",
            "quant": "w4a4",
            "init_from": "float",
            "teacher": "float",
            "distill": 0.5,
            "ranges": "learned",
        },
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with an export, and a data set of four images."""
    folder = tmp_path_factory.mktemp("toml")
    net = synthetic.Net(seed=4)
    stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    exports.write_export(folder / "export", net.model(net.head(net.conv_bn(stem, 4, 1, "more")), 16, 16), width=16)
    rng = np.random.default_rng(0)
    for kind, shape, peak in (("images", (16, 16, 3), 256), ("masks", (16, 16), 2)):
        (folder / "data" / kind).mkdir(parents=True)
        for name in "abcd":
            Image.fromarray(rng.integers(0, peak, shape, np.uint8)).save(folder / "data" / kind / f"{name}.png")
    (folder / "data" / "train.txt").write_text("a\nb\nc\n")
    (folder / "data" / "val.txt").write_text("d\n")
    return folder


@pytest.fixture
def ends_well(folder, capsys):
    """Writes a text as TOML and runs a command on it."""

    def run(main, text, *arguments):
        path = folder / "any.toml"
        path.write_bytes(text)
        capsys.readouterr()
        status = main([str(argument).format(any=path, folder=folder) for argument in arguments])
        said = capsys.readouterr().err.splitlines()
        if status:
            assert status == 2, said
            assert said[-1].startswith("error: ") and "Traceback" not in said, said
            assert "a defect of this program" not in said[-1], said
        return status

    return run


def build(*options):
    return hw_build, ["build", "--export", "{folder}/export", "--out", "{folder}/build", *options]


@examples(default=12, slow=400)
@given(text=texts(BOARD))
def test_board_files(text, ends_well):
    main, arguments = build("--board", "{any}", "--target-fps", "60", "--stop-after", "shell")
    ends_well(main, text, *arguments)


@examples(default=12, slow=400)
@given(text=st.one_of([texts(folding) for folding in FOLDINGS]))
def test_folding_files(text, ends_well):
    main, arguments = build("--board", "pynq-z2", "--folding", "{any}", "--stop-after", "folding")
    ends_well(main, text, *arguments)


@examples(default=12, slow=300)
@given(text=texts(QUANT))
def test_quantization_files(text, ends_well):
    arguments = ["untrained", "--model", "cmunext-tiny-hw", "--size", "16", "--out", "{folder}/twin.pt"]
    ends_well(quant, text, *arguments, "--quant", "{any}")


@examples(default=40, slow=1000)
@given(text=texts(RECIPE))
def test_recipes(text, ends_well):
    ends_well(quant, text, "train", "--recipe", "{any}", "--data", "{folder}/none", "--out", "{folder}/runs")


@examples(default=5, slow=200)
@given(text=altered(RECIPE).map(str.encode))
def test_recipes_that_train(text, ends_well, tmp_path_factory):
    limits = ["--size", "16", "--epochs", "1", "--batch", "2"]
    out = tmp_path_factory.mktemp("run")
    ends_well(quant, text, "train", "--recipe", "{any}", "--data", "{folder}/data", "--out", out, *limits)


@examples(default=100, slow=2000)
@given(value=VALUES)
def test_any_value_is_written_as_itself(value):
    """The generator's own proof: what is altered is what the commands read."""
    assert repr(tomllib.loads(text_of({"x": value}))["x"]) == repr(value).replace(", fold=1", "")  # not in TOML
