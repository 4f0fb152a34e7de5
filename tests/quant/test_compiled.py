"""The compiled kernels against float64 in torch: every operator that they have, and where others serve instead."""

import dataclasses

import numpy as np
import pytest

from quant.base import compiled_library
from quant.integer import IntegerReference
from quant.integer.compiled import engine as engines
from quant.integer.compiled import forms
from quant.integer.compiled import library as libraries
from quant.integer.compiled.engine import compiled_engine
from quant.integer.program import Codes, Conv, Program, Table, window_sizes
from quant.integer.staircase import Affine, Chain
from quant.integer.torch_engine import TorchEngine
from quant.operators.bilinear import Enlarge, Upsample
from quant.operators.concatenation import Concat
from quant.operators.max_pool import MaxPool
from quant.operators.nearest import Repeat
from quant.operators.stream_sum import Sum

SEED = 5


class Network:
    """Steps of random weights, one behind the other; ``codes`` and ``channels`` of every tensor."""

    def __init__(self, height, width, low, high):
        self.rng = np.random.default_rng(SEED)
        self.range, self.size = (low, high), (height, width)
        self.codes, self.channels, self.steps = {"x": Codes(1 / 256, 0, 255)}, {"x": 3}, []

    def name(self, channels):
        name = f"t{len(self.steps)}"
        self.codes[name], self.channels[name] = Codes(1.0, *self.range), channels
        return name

    def conv(self, source, channels, kernel, *, pads=None, groups=1, strides=(1, 1), dilations=(1, 1), weight=7):
        output, codes = self.name(channels), self.codes[source]
        shape = (channels, self.channels[source] // groups, *kernel)
        weights = self.rng.integers(-weight, weight + 1, shape)
        ends = np.stack([weights * codes.low, weights * codes.high])
        low, high = ends.min(0).sum((1, 2, 3)), ends.max(0).sum((1, 2, 3))
        spread = (codes.high - codes.low) / 4 * np.sqrt(np.square(weights).sum(axis=(1, 2, 3)))
        gain = self.rng.choice([-1, 1], channels) * (self.range[1] - self.range[0]) / 3 / np.maximum(spread, 1)
        middle = sum(self.range) / 2 - gain * (codes.low + codes.high) / 2 * weights.sum(axis=(1, 2, 3))
        one = np.ones(channels)
        shift = middle + self.rng.normal(size=channels) / 5
        staircase = Chain(one, low, high, (Affine(gain, shift),)).staircase(self.codes[output])
        pads = pads or tuple(side // 2 for side in kernel) * 2
        common = {"strides": strides, "dilations": dilations}
        self.steps.append(
            Conv(output, source, output, weights, pads, groups, low, high, one, 0 * one, staircase, None, **common)
        )
        return output

    def stairs(self, output, scale, low, high):
        shift = Affine(np.ones(1), np.full(1, 2.0**-16))
        return Chain(np.array([scale]), np.array([low]), np.array([high]), (shift,)).staircase(self.codes[output])

    def add(self, a, b):
        output, (low, high) = self.name(self.channels[a]), self.range
        self.steps.append(Sum(output, (a, b), output, self.stairs(output, 0.5, 2 * low, 2 * high)))
        return output

    def up(self, source):
        output, (low, high) = self.name(self.channels[source]), self.range
        self.steps.append(Upsample(output, source, output, self.stairs(output, 1 / 16, 16 * low, 16 * high)))
        return output

    def then(self, step, source, channels, **fields):
        output = self.name(channels)
        sources = {"sources": source} if isinstance(source, tuple) else {"source": source}
        self.steps.append(step(name=output, output=output, **sources, **fields))
        return output

    def program(self, last):
        output = self.conv(last, 2, (1, 1))
        head = self.steps.pop()
        head = dataclasses.replace(head, staircase=None, bias=self.rng.integers(-99, 99, 2))
        return Program("x", output, self.size, 1.0, (*self.steps, head), self.codes, self.channels)


def network_of_all(height, width, low, high):
    net = Network(height, width, low, high)
    a = net.conv("x", 7, (3, 3), weight=127)
    b = net.conv(a, 7, (5, 5), groups=7)
    c = net.add(a, b)
    d = net.conv(c, 6, (2, 3), pads=(1, 2, 0, 0), dilations=(1, 2))
    e = net.conv(d, 9, (1, 1), groups=3)
    f = net.conv(e, 5, (3, 3), strides=(2, 2))
    pads = (1, 1, 1, 1) if low == 0 else (0, 0, 0, 0)
    g = net.then(MaxPool, f, 5, kernel=(3, 3), strides=(2, 2), pads=pads)
    words = net.rng.integers(low, high + 1, (5, high - low + 1))
    h = net.then(Table, g, 5, words=words)
    i = net.up(h)
    j = net.then(Repeat, h, 5, factors=(2, 2))
    return net.program(net.then(Concat, (i, j), 10))


def images_of(program, count=3):
    return np.random.default_rng(SEED).integers(0, 256, (count, *program.input_shape)).astype(np.uint8)


def assert_exact(program, count=3):
    images = images_of(program, count)
    expected = TorchEngine(program, "cpu").run(images)
    assert len(np.unique(expected)) > 3
    np.testing.assert_array_equal(compiled_engine(program, 2).run(images), expected, err_msg=f"seed {SEED}")


@pytest.mark.parametrize(("low", "high"), [(0, 15), (-8, 7), (0, 255), (-128, 127), (0, 3)])
@pytest.mark.parametrize(("height", "width"), [(9, 11), (17, 40), (6, 150)])
def test_every_operator_on_images_narrower_and_wider_than_registers(low, high, height, width):
    assert_exact(network_of_all(height, width, low, high))


@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 3)])
@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 7])
def test_outputs_taken_together_and_apart(strides, outputs):
    net = Network(13, 21, 0, 15)
    assert_exact(net.program(net.conv(net.conv("x", 4, (3, 3)), outputs, (3, 3), strides=strides)), count=1)


@pytest.mark.parametrize("gone", [("line16",), ("line32",), ("line16", "line32"), ("fits_int16",)])
def test_where_no_line_is_exact_thresholds_are_counted(gone, monkeypatch):
    for name in gone:
        monkeypatch.setattr(forms, name, lambda *_, found=False if name == "fits_int16" else None: found)
    assert_exact(network_of_all(9, 40, -8, 7))


@pytest.mark.parametrize("reach", [10, 400, 16000])
@pytest.mark.parametrize("codes", [Codes(0.5, 0, 15), Codes(1.0, -8, 7), Codes(0.25, 0, 3), Codes(1 / 16, 0, 255)])
def test_a_line_of_int16_gives_every_code(reach, codes):
    rng = np.random.default_rng(SEED)
    sums, found = np.arange(-reach, reach + 1), 0
    for gain, shift in rng.normal(size=(40, 2)) * [8 / reach, 1]:
        ends = np.array([reach])
        staircase = Chain(np.ones(1), -ends, ends, (Affine(np.array([gain]), np.array([shift])),)).staircase(codes)
        line = forms.line16(staircase, -ends, ends)
        if line is None:
            continue
        found += 1
        left, factor, constant, right = (int(each[0]) for each in dataclasses.astuple(line))
        y = (((sums << left) * factor + 2**14) >> 15) + constant
        assert max(np.abs(sums << left).max(), np.abs(y).max()) < 2**15
        codes_found = np.clip(y >> right, 0, codes.high - codes.low) + codes.low
        np.testing.assert_array_equal(
            codes_found, staircase.apply(sums[None])[0], err_msg=f"seed {SEED}, {gain} {shift}"
        )
    least = {(10, 15): 40, (400, 15): 40}.get((reach, codes.high), 1)
    assert found >= least


def test_channels_of_no_weights_and_images_one_after_the_other():
    net = Network(9, 10, 0, 15)
    a = net.conv("x", 4, (3, 3))
    net.steps[-1].weights[1] = 0
    program = net.program(a)
    images, engine = images_of(program, 5), compiled_engine(program, 1)
    np.testing.assert_array_equal(engine.run(images), np.concatenate([engine.run(image[None]) for image in images]))
    np.testing.assert_array_equal(engine.run(images), TorchEngine(program, "cpu").run(images))


def test_an_operator_without_kernels_is_left_to_onnxruntime(exported, monkeypatch):
    net = Network(8, 8, 0, 15)
    a = net.conv("x", 4, (3, 3))
    output = net.name(4)
    net.steps.append(Enlarge(output, a, output, 4, net.stairs(output, 1 / 64, 0, 64 * 15)))
    assert compiled_engine(net.program(output)) is None
    signed = Network(8, 8, -8, 7)
    pads = {"kernel": (3, 3), "strides": (1, 1), "pads": (1, 1, 1, 1)}
    assert compiled_engine(signed.program(signed.then(MaxPool, signed.conv("x", 4, (3, 3)), 4, **pads))) is None
    assert IntegerReference(exported).engine == "compiled"
    monkeypatch.setattr(engines, "compiled_engine", lambda *_: None)
    monkeypatch.setattr("quant.integer.compiled_engine", lambda *_: None)
    assert IntegerReference(exported).engine == "onnxruntime"


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGESEG_CACHE", str(tmp_path / "cache"))
    libraries.library.cache_clear()
    yield tmp_path / "cache"
    libraries.library.cache_clear()


def test_kernels_are_compiled_once(empty_cache, monkeypatch):
    assert libraries.library() is not None
    (kept,) = (empty_cache / "integer").iterdir()
    made = kept.stat().st_mtime_ns
    libraries.library.cache_clear()
    monkeypatch.setattr(compiled_library, "_compile", lambda *_: pytest.fail("compiled again"))
    assert libraries.library() is not None
    assert kept.stat().st_mtime_ns == made


@pytest.mark.parametrize("fault", ["no g++", "g++ fails", "no such processor"])
def test_without_a_compiler_onnxruntime_serves(fault, empty_cache, tmp_path, monkeypatch, exported):
    if fault == "no such processor":
        monkeypatch.setattr(compiled_library, "_OPTIONS", ("-std=c++17", "-march=x86-64", "-shared", "-fPIC"))
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    if fault == "g++ fails":
        (tmp_path / "g++").write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "g++").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert libraries.library() is None
    assert IntegerReference(exported).engine == "onnxruntime"
    assert not list(empty_cache.glob("**/*.so*"))


def test_windows_beyond_the_image_read_the_border():
    net = Network(5, 6, 0, 15)
    wide = net.conv("x", 2, (3, 3), pads=(18, 18, 18, 18), dilations=(18, 18))
    step = net.steps[-1]
    assert window_sizes((5, 6), step.kernel, step.pads, step.strides, step.dilations) == (5, 6)
    assert_exact(net.program(wide))
