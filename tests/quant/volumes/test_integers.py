"""3D networks in integers: twin, QONNX execution and integer reference agree, numpy computes the same, training leads
there, and what has no integer form is told.
"""

import json

import files
import numpy as np
import pytest
import torch
from qonnx.core.onnx_exec import execute_onnx
from torch import nn
from torch.nn import functional

from models.cscn import ACDNet, ACDNetConfig, BUNet, BUNetConfig
from models.layers import Concat
from models.layers3d import MBConv3d, conv_norm_act3d
from models.mdr_unet import ASPP, ResidualBlock
from models.nnunet3d import NNUNet, NNUNetConfig
from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base.errors import CheckpointError, ConfigError, ExportError
from quant.export.export import qonnx_model
from quant.integer import IntegerReference
from quant.integer.parse import parse
from quant.integer.program import Codes, Program
from quant.integer.proof import require_settled
from quant.integer.torch_engine import TorchEngine
from quant.operators import of_step
from quant.operators.average_pool3d import WindowAverage3d
from quant.operators.convolution3d import Conv3d
from quant.operators.global_average import GlobalAverage
from quant.operators.max_pool3d import MaxPool3d
from quant.operators.transposed_convolution3d import TransposedConv3d
from quant.operators.trilinear import Enlarge3d
from quant.twin.config import QuantConfig
from quant.twin.prepare import calibrate, fill_weight_range
from quant.twin.settle import settle_multiples, settle_tables, settle_thresholds
from quant.twin.structure import Structure
from quant.twin.twin import build_twin
from quant.volumes.evaluate import evaluate_volumes
from quant.volumes.train import train_volumes
from quant.volumes.train_config import VolumeTrainConfig

SEED = 31


class Mixed(nn.Module):
    """Dilation, groups, strides that differ, a residual sum, pools that overlap, nearest upsampling, leaky ReLU."""

    def __init__(self):
        super().__init__()
        norm = {"norm": nn.BatchNorm3d}
        self.stem = conv_norm_act3d(2, 4, **norm)
        self.wide = conv_norm_act3d(4, 4, dilation=2, act=nn.ReLU, **norm)
        self.deep = nn.Sequential(nn.Conv3d(4, 4, 3, padding=1, groups=4), nn.BatchNorm3d(4), nn.LeakyReLU(0.1))
        self.pool = nn.MaxPool3d(3, 2, 1)
        self.low = nn.Sequential(nn.Conv3d(4, 6, (1, 3, 3), padding=(0, 1, 1)), nn.ReLU())
        self.up = nn.Upsample(scale_factor=2)
        self.join = Concat()
        self.head = nn.Conv3d(10, 1, 1)

    def forward(self, x):
        x = self.stem(x)
        x = functional.relu(x + self.deep(self.wide(x)))
        return self.head(self.join(x, self.up(self.low(self.pool(x)))))


class Averaged(nn.Module):
    """Averages with and without zeros that count, with ceil_mode, of lines and of all voxels; trilinear and nearest
    upsampling by factors that differ; dense layers on one voxel.
    """

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(1, 3, 3, padding=1), nn.BatchNorm3d(3), nn.LeakyReLU(0.1))
        self.smooth = nn.AvgPool3d(3, 1, 1)
        self.border = nn.AvgPool3d(3, 1, 1, count_include_pad=False)
        self.ends = nn.AvgPool3d(2, ceil_mode=True)
        self.slabs = nn.AvgPool3d((1, 2, 1))
        self.tall, self.wide = (
            nn.Upsample(scale_factor=factors, mode=mode)
            for factors, mode in (((1.0, 2.0, 1.0), "trilinear"), ((1.0, 1.0, 5.0), "nearest"))
        )
        self.gate = nn.Sequential(nn.Linear(3, 2), nn.SiLU(), nn.Linear(2, 3), nn.Sigmoid())
        self.head = nn.Conv3d(12, 2, 1)

    def forward(self, x):
        x = self.stem(x)
        lines = x * x.mean(3, keepdim=True)
        x = x * self.gate(x.mean((2, 3, 4)))[:, :, None, None, None]
        low = functional.adaptive_avg_pool3d(self.ends(x), (None, None, 1))
        back = functional.interpolate(self.wide(low), scale_factor=(2, 2, 1))[:, :]
        return self.head(torch.cat((self.smooth(x), self.border(lines), self.tall(self.slabs(x)), back), 1))


class Squeezed(nn.Module):
    """As EfficientNet's: depthwise, SiLU, squeeze and excitation, a residual sum."""

    def __init__(self):
        super().__init__()
        settings = {"norm": nn.BatchNorm3d, "bias": False}
        self.stem = conv_norm_act3d(1, 3, stride=2, act=nn.SiLU, **settings)
        self.block = MBConv3d(3, 3, 5, expansion=2, squeezed=2, norm=nn.BatchNorm3d)
        self.grow = nn.Upsample(scale_factor=2, mode="trilinear")
        self.head = nn.Conv3d(3, 1, 1)

    def forward(self, x):
        return self.head(self.grow(self.block(self.stem(x))))


class WithASPP(nn.Module):
    """A level of `mdr-unet-2`: ASPP with the global mean at every voxel, residual blocks, BN."""

    def __init__(self):
        super().__init__()
        norm = nn.BatchNorm3d
        self.first, self.low = conv_norm_act3d(1, 3, norm=norm), conv_norm_act3d(3, 4, stride=(2, 2, 1), norm=norm)
        self.block, self.pyramid = ResidualBlock(4, norm), ASPP(3, (1, 2, 3), is_local=True, norm=norm)
        self.up, self.head = nn.ConvTranspose3d(4, 3, 3, (2, 2, 1), 1, (1, 1, 0), bias=False), nn.Conv3d(6, 1, 1)

    def forward(self, x):
        x = self.first(x)
        return self.head(torch.cat((self.up(self.block(self.low(x))), self.pyramid(x)), 1))


NETWORKS = {
    "bunet": (lambda: BUNet(BUNetConfig(dims=(2, 3), classes=3)), 1, (8, 16, 12)),
    "nnunet": (lambda: NNUNet(NNUNetConfig(widths=(3, 4), norm="batch")), 1, (8, 10, 12)),
    "mixed": (Mixed, 2, (8, 8, 6)),
    "acdnet": (lambda: ACDNet(ACDNetConfig(stem=3, growth=3, units=1, rates=(1,), classes=2)), 2, (8, 4, 4)),
    "aspp": (WithASPP, 1, (6, 4, 8)),
    "squeezed": (Squeezed, 1, (6, 4, 8)),
    "averaged": (Averaged, 1, (6, 4, 5)),
}
SLOW_AT_8 = ("acdnet", "aspp", "squeezed")  # many thresholds


def restless(network):
    """BNs with statistics and factors of a trained network, some of them negative."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
                module.weight.normal_(0, 1)
                module.bias.normal_(0, 0.3)
    return network.eval()


def settled_twin(name, bits):
    torch.manual_seed(SEED)
    build, channels, size = NETWORKS[name]
    network = restless(build())
    codes = torch.randint(0, 256, (2, channels, *size), dtype=torch.uint8)
    twin = build_twin(network, channels, QuantConfig.read(bits), size)
    structure = Structure(network, channels, size)
    sites = structure.convolutions()
    fill_weight_range(twin, sites)
    calibrate(twin, codes)
    settle_thresholds(twin, sites)
    settle_tables(twin, structure.tables())
    settle_multiples(twin, structure.multiples())
    return twin.eval(), codes, size


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        *((name, "w4a4") for name in NETWORKS),
        *(pytest.param(name, "w8a8", marks=pytest.mark.slow if name in SLOW_AT_8 else ()) for name in NETWORKS),
    ],
)
def test_twin_qonnx_and_integer_reference_agree_in_every_logit(name, bits, tmp_path):
    twin, codes, size = settled_twin(name, bits)
    model = qonnx_model(twin, tmp_path / "model.qonnx", size)
    source, output = model.graph.input[0].name, model.graph.output[0].name
    executed = np.concatenate(
        [execute_onnx(model, {source: one[None].numpy() / np.float32(256)})[output] for one in codes]
    )
    with torch.no_grad():
        np.testing.assert_array_equal(twin(codes / 256).numpy(), executed)
    program = parse(model)
    reference = IntegerReference(tmp_path)
    require_settled(program)
    assert program.is_of_volumes and reference.engine == "torch" and reference.input_shape == (*size, codes.shape[1])
    integers = reference.run(codes.movedim(1, -1).contiguous().numpy())
    np.testing.assert_array_equal(np.moveaxis(integers, -1, 1) * program.logit_scale, executed)
    assert len(np.unique(integers)) > 5, "logits that say something"


def numpy_mean(step, source):
    """``step`` on codes (C, X, Y, Z) int64, as many times the mean as its least multiple that is whole."""
    if isinstance(step, GlobalAverage):
        return source.sum((1, 2, 3), keepdims=True)
    if isinstance(step, Enlarge3d):  # by numpy's interpolation of each axis in turn, which is constant beyond the ends
        for axis, factor in enumerate(step.factors, 1):
            places = (np.arange(factor * source.shape[axis]) + 0.5) / factor - 0.5
            source = np.apply_along_axis(
                lambda line, at=places: np.interp(at, np.arange(len(line)), line), axis, source
            )
        assert np.all(source * step.parts % 1 == 0)
        return (source * step.parts).astype(np.int64)
    pads = np.array(step.pads).reshape(2, 3).T
    padded, there = (np.pad(each, [*[(0, 0)] * (each.ndim - 3), *pads]) for each in (source, np.ones(source.shape[1:])))
    is_even = np.all(step.factors == 1)  # zeros around count, or there are none
    found = np.empty((len(source), *step.factors.shape), np.int64)
    for place in np.ndindex(*step.factors.shape):
        window = tuple(slice(s * p, s * p + k) for s, p, k in zip(step.strides, place, step.kernel, strict=True))
        count = np.prod(step.kernel) if is_even else there[window].sum()
        total = padded[(slice(None), *window)].sum((1, 2, 3))
        assert step.pixels % count == 0
        found[(slice(None), *place)] = total * int(step.pixels // count)
    return found


MEANS = (GlobalAverage, Enlarge3d, WindowAverage3d)


def numpy_step(step, source):
    """``step`` on codes (C, X, Y, Z) int64, tap by tap; a staircase by its own reference."""
    if isinstance(step, MEANS):  # of one staircase for all channels
        means = numpy_mean(step, source)
        return step.staircase.apply(means.reshape(1, -1)).reshape(means.shape)
    pads = np.array(step.pads).reshape(2, 3)
    if isinstance(step, MaxPool3d):
        padded = np.pad(source, [(0, 0), *pads.T], constant_values=np.iinfo(np.int64).min)
        spans = [span - (kernel - 1) for span, kernel in zip(padded.shape[1:], step.kernel, strict=True)]
        sides = [-(-span // stride) for span, stride in zip(spans, step.strides, strict=True)]
        taps = [
            padded[(slice(None), *(slice(t, t + s * n, s) for t, s, n in zip(tap, step.strides, sides, strict=True)))]
            for tap in np.ndindex(*step.kernel)
        ]
        return np.max(taps, axis=0)
    kernel, strides = step.kernel, step.strides
    if isinstance(step, TransposedConv3d):
        full = [
            s * (n - 1) + k + o
            for n, s, k, o in zip(source.shape[1:], strides, kernel, step.output_padding, strict=True)
        ]
        found = np.zeros((step.out_channels, *full), np.int64)
        for tap in np.ndindex(*kernel):
            place = tuple(slice(t, t + s * n, s) for t, s, n in zip(tap, strides, source.shape[1:], strict=True))
            found[(slice(None), *place)] += np.einsum(
                "oi,ixyz->oxyz", step.weights[(slice(None), slice(None), *tap)], source
            )
        cut = tuple(slice(low, side - high) for low, high, side in zip(*pads, full, strict=True))
        found = found[(slice(None), *cut)]
    else:
        padded = np.pad(source, [(0, 0), *pads.T])
        spans = [d * (k - 1) + 1 for d, k in zip(step.dilations, kernel, strict=True)]
        sides = [(n - span) // s + 1 for n, span, s in zip(padded.shape[1:], spans, strides, strict=True)]
        found = np.zeros((step.out_channels, *sides), np.int64)
        per_group, outputs = step.weights.shape[1], step.out_channels // step.groups
        for channel in range(step.out_channels):
            first = channel // outputs * per_group
            for tap in np.ndindex(*kernel):
                place = (
                    slice(t * d, t * d + s * (n - 1) + 1, s)
                    for t, d, s, n in zip(tap, step.dilations, strides, sides, strict=True)
                )
                read = padded[(slice(first, first + per_group), *place)]
                found[channel] += np.tensordot(step.weights[(channel, slice(None), *tap)], read, 1)
    return found + step.bias[:, None, None, None] if step.staircase is None else step.staircase.apply(found)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_step_is_what_numpy_computes_in_integers(name, tmp_path):
    twin, codes, size = settled_twin(name, "w4a4")
    program = parse(qonnx_model(twin, tmp_path / "model.qonnx", size))
    engine = TorchEngine(program, "cpu")
    tensors, compared = {program.source: codes.to(torch.float64)}, []
    for step in program.steps:
        tensors[step.output] = of_step(step).run(engine, step, tensors)
        if isinstance(step, (Conv3d, TransposedConv3d, MaxPool3d, *MEANS)):
            for found, source in zip(tensors[step.output], tensors[step.source], strict=True):
                np.testing.assert_array_equal(found.numpy(), numpy_step(step, source.numpy().astype(np.int64)))
            compared.append(type(step))
    expected = {
        "bunet": {TransposedConv3d, MaxPool3d},
        "nnunet": {TransposedConv3d},
        "mixed": {MaxPool3d},
        "acdnet": {MaxPool3d, Enlarge3d},
        "aspp": {TransposedConv3d, GlobalAverage},
        "squeezed": {GlobalAverage, Enlarge3d},
        "averaged": {*MEANS},
    }
    assert set(compared) == {Conv3d, *expected[name]}


def test_transposed_convolutions_cut_what_their_padding_says():
    rng = np.random.default_rng(SEED)
    weights = rng.integers(-7, 8, (3, 2, 3, 3, 3))
    bounds = {"low": np.full(3, -(2**20)), "high": np.full(3, 2**20), "scale": np.ones(3), "shift": np.zeros(3)}
    step = TransposedConv3d(
        "up", "x", "y", weights, (1,) * 6, 1, **bounds, bias=np.arange(3), strides=(2,) * 3, output_padding=(1,) * 3
    )
    program = Program("x", "y", (4, 3, 5), 1.0, (step,), {"x": Codes(1.0, 0, 15)}, {"x": 2, "y": 3})
    codes = rng.integers(0, 16, (1, 4, 3, 5, 2)).astype(np.uint8)
    found = TorchEngine(program, "cpu").run(codes)
    assert found.shape == (1, 8, 6, 10, 3)
    np.testing.assert_array_equal(
        np.moveaxis(found[0], -1, 0), numpy_step(step, np.moveaxis(codes[0], -1, 0).astype(np.int64))
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    lists = {"train": ["a", "b", "c"], "val": ["d"]}
    return files.write_set(tmp_path_factory.mktemp("balls"), list("abcd"), classes=3, lists=lists)


def config(folder, **changes):
    settings = {"model": "nnunet-tiny-bn", "data": str(folder), "classes": 3, "patch": (16, 16, 12), "epochs": 1}
    return VolumeTrainConfig(**{**settings, "steps": 4, "foreground_share": 1.0, **changes})


@pytest.fixture(scope="module")
def float_weights(folder, tmp_path_factory):
    return train_volumes(config(folder, steps=30), tmp_path_factory.mktemp("float"))


def test_a_trained_twin_is_exported_and_scored_in_integers(folder, float_weights, tmp_path, capsys):
    options = ["--data", str(folder), "--classes", "3", "--patch", "16,16,12", "--epochs", "1", "--steps", "4"]
    twin = ["--model", "nnunet-tiny-bn", "--quant", "w4a4", "--init-from", str(float_weights), "--lr", "1e-3"]
    assert main(["train-volumes", *options, *twin, "--ema", "0.5", "--out", str(tmp_path / "qat")]) == 0
    weights, out = tmp_path / "qat" / "weights.pt", tmp_path / "export"
    assert checkpoints.load(weights, of_volumes=True)["quant"]["name"] == "w4a4"
    capsys.readouterr()
    assert main(["export", "--checkpoint", str(weights), "--out", str(out)]) == 0
    assert "nnunet-tiny-bn, 16x16x12, exact in 18432 logits of 2 images" in capsys.readouterr().out
    golden, manifest = np.load(out / "golden.npz"), json.loads((out / "manifest.json").read_text())
    assert golden["codes"].shape == (2, 16, 16, 12, 1) and golden["codes"].any() and golden["masks"].any()
    np.testing.assert_array_equal(IntegerReference(out).run(golden["codes"]), golden["logits"])
    assert {side: manifest["input"][side] for side in "xyz"} == {"x": 16, "y": 16, "z": 12}
    assert main(["evaluate-volumes", "--checkpoint", str(weights), "--data", str(folder), "--json"]) == 0
    of_floats = json.loads(capsys.readouterr().out)
    assert of_floats["dice"] > 0.3
    assert json.loads(json.dumps(evaluate_volumes(weights, folder, "val", integer=out))) == of_floats


def test_a_twin_that_is_broken_off_ends_with_the_same_weights(folder, float_weights, tmp_path, monkeypatch):
    quant, settings = QuantConfig.read("w4a4"), {"epochs": 2, "steps": 2, "ema": 0.5, "lr": 1e-3}
    whole = train_volumes(config(folder, **settings), tmp_path / "whole", quant=quant, init_from=float_weights)
    save = checkpoints.save

    def broken_off(path, content):
        save(path, content)
        if path.name == "last.pt":
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", broken_off)
    short = {"quant": quant, "init_from": float_weights}
    with pytest.raises(KeyboardInterrupt):
        train_volumes(config(folder, **settings), tmp_path / "short", **short)
    monkeypatch.setattr(checkpoints, "save", save)
    with pytest.raises(CheckpointError, match="was trained with another --quant; continue with the same"):
        train_volumes(config(folder, **settings), tmp_path / "short", resume=True)
    resumed = train_volumes(config(folder, **settings), tmp_path / "short", **short, resume=True)
    states = [checkpoints.load(path, of_volumes=True)["state"] for path in (whole, resumed)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_mistakes_of_training_and_export_are_told(folder, float_weights, tmp_path, capsys):
    options = ["--data", str(folder), "--classes", "3", "--patch", "16,16,12", "--out", str(tmp_path / "run")]
    for arguments, told in (
        (
            ["train-volumes", "--model", "nnunet-tiny-bn", *options, "--quant", "w4a4"],
            "a quantized network starts from float weights; train them, and give --init-from",
        ),
        (
            ["train-volumes", "--model", "nnunet-small-bn", *options, "--init-from", str(float_weights)],
            "the checkpoint holds 'nnunet-tiny-bn', not 'nnunet-small-bn'",
        ),
        (
            [
                "train-volumes",
                "--model",
                "nnunet-tiny-bn",
                *options,
                "--init-from",
                str(float_weights),
                "--classes",
                "2",
            ],
            "has other classes or channels; give --classes, --slices and data to match",
        ),
        (
            ["export", "--checkpoint", str(float_weights), "--out", str(tmp_path / "e"), "--size", "16"],
            "--size 16x16 is not for checkpoint",
        ),
    ):
        capsys.readouterr()
        labels = files.write_set(tmp_path / "two", ["a"], classes=1, lists={"train": ["a"]})
        given = [str(labels) if "2" in arguments and each == str(folder) else each for each in arguments]
        assert main(given) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert told in line


class Between(nn.Module):
    """A function as a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (
            nn.InstanceNorm3d(2),
            "is a InstanceNorm3d, which works out statistics .* which do not lower; take BatchNorm3d",
        ),
        (nn.MaxPool3d(3, 1, 1, ceil_mode=True), "is a MaxPool3d with ceil_mode; only whole windows are taken"),
        (
            nn.ConvTranspose3d(2, 2, 3, stride=1, padding=1),
            "does not make its input exactly .* times as large, 2 or more",
        ),
        (
            nn.ConvTranspose3d(2, 2, 2, stride=2, groups=2),
            "has groups=2 and dilation .* only one group without dilation",
        ),
        (nn.GroupNorm(1, 2), "is a GroupNorm, which works out statistics .* which do not lower; take BatchNorm3d"),
        (nn.ReplicationPad3d(1), "pads by other values than zeros; take the padding of a convolution"),
        (nn.Conv3d(2, 2, 3, padding="same"), "has padding 'same', padding_mode='zeros'; give numbers, and zeros"),
        (nn.Conv3d(2, 2, 3, padding=1, padding_mode="circular"), "padding_mode='circular'; give numbers"),
        (
            nn.Upsample(scale_factor=2, mode="trilinear", align_corners=True),
            r"resizes by 2x2x2, mode='trilinear', align_corners=True \(whose weights float32 rounds\); only mode='near",
        ),
        (
            nn.Upsample(size=(8, 8, 20), mode="trilinear"),
            r"resizes by 1x1x2.5, mode='trilinear'; only mode='nearest' by whole factors, mode='trilinear'",
        ),
        (Between(lambda x: functional.interpolate(x, scale_factor=0.5)), "resizes by 0.5x0.5x0.5, mode='nearest'"),
        (nn.AvgPool3d(3, 1, 1, divisor_override=8), "averages with divisor_override=8; leave it out, and multiply"),
        (
            nn.AvgPool3d(3, 2, 1, ceil_mode=True),
            r"averages 8x8x8 voxels with ceil_mode and padding \(1, 1, 1\) that is counted; set count_include",
        ),
        (nn.AdaptiveAvgPool3d(3), "pools 8x8x8 voxels to 3x3x3; equal windows without overlap lower"),
        (nn.AdaptiveMaxPool3d(3), "pools 8x8x8 voxels to 3x3x3; equal windows without overlap lower"),
        (Between(lambda x: x * x.mean(4)[..., None]), "is a mean over the dimensions 4; of volumes only those over x"),
        (Between(lambda x: x * x.mean()), "is a mean over the dimensions None; of volumes only those over x"),
        (Between(lambda x: x * x.amax(1, keepdim=True)), "is a maximum over dimensions of a volume"),
        (Between(lambda x: x[:, [1, 0]]), "makes 2x8x8x8 of 2x8x8x8: values of a volume are not moved; pool, enlarge"),
        (nn.ConstantPad3d(1, 0.0), "makes 2x10x10x10 of 2x8x8x8: values of a volume are not moved; pool, enlarge"),
    ],
)
def test_layers_without_an_integer_form_are_told(layer, sentence):
    network = nn.Sequential(nn.Conv3d(1, 2, 3, padding=1), layer, nn.Conv3d(2, 1, 1))
    with pytest.raises(ConfigError, match=sentence):
        build_twin(network, 1, QuantConfig.read("w4a4"), (8, 8, 8))


@pytest.mark.parametrize(
    ("layer", "size", "sentence"),
    [
        (
            Between(lambda x: x * x.mean((2, 3, 4), keepdim=True)),
            (64, 64, 17),
            "averages 64x64x17 voxels, whose sum float32 may round; pool the image before",
        ),
        (
            nn.Sequential(nn.MaxPool3d(32), nn.Upsample(scale_factor=32, mode="trilinear")),
            (32, 32, 64),
            "by 32x32x32 gives multiples of 1/262144 of a code, which float32 may round; use fewer bits, or a smaller",
        ),
        (
            nn.AvgPool3d(7, 1, 3, count_include_pad=False),
            (7, 7, 7),
            "averages windows of 64, 80, .* pixels, whose common multiple 74088000, times a code, float32 may round",
        ),
    ],
)
def test_sums_beyond_float32_are_told(layer, size, sentence, tmp_path):
    network = nn.Sequential(nn.Conv3d(1, 1, 1), nn.ReLU(), layer, nn.Conv3d(1, 1, 1))
    twin = build_twin(network.eval(), 1, QuantConfig.read("w8a8"), size)
    with pytest.raises(ExportError, match=sentence):
        parse(qonnx_model(twin, tmp_path / "model.qonnx", size))
