"""Lines in place of thresholds: found where there are any, exact on every sum, and so is the RTL that computes them."""

import numpy as np
import pytest

from hw_build.base.errors import ConfigError
from hw_build.kernels.lines import find_lines, find_shift
from tests.rtl import line_models
from tests.rtl.kernel_bench import KernelBench


def counts(thresholds, sums):
    return np.stack([np.searchsorted(row, sums, side="right") for row in np.sort(thresholds, axis=1)])  # (R, sums)


@pytest.mark.parametrize("spacing", [0.4, 1.0, 7.5, 36.7, 183.0, 5000.0])
def test_a_line_counts_as_the_thresholds_do_on_every_sum(spacing):
    table = line_models.straight_thresholds(5, 255, spacing, first=-40) if spacing > 4 else np.ceil(
        (np.arange(1, 256) - 0.5)[None] * spacing - 40.3
    )  # fmt: skip
    low, high = int(table.min()) - 300, int(table.max()) + 300
    lines = find_lines(table, np.full(len(table), low), np.full(len(table), high))
    sums = np.arange(low, high + 1)
    assert np.array_equal(lines.apply(sums[:, None]).T, counts(table, sums))


@pytest.mark.parametrize("lowest", [-128, -127, -3])
def test_a_line_of_signed_codes_begins_with_the_lowest(lowest):
    table = line_models.straight_thresholds(3, 200, 36.7, first=-3500)
    low, high = int(table.min()) - 300, int(table.max()) + 300
    lines = find_lines(table, np.full(3, low), np.full(3, high), lowest)
    sums = np.arange(low, high + 1)
    assert np.array_equal(lines.apply(sums[:, None]).T, counts(table, sums) + lowest)


def test_a_shift_counts_from_the_smallest_sum():
    lines = find_shift(line_models.straight_thresholds(1, 255, 2.0, -256), -256, 254, -128)
    assert lines.is_shift and np.array_equal(lines.apply(np.arange(511)), (np.arange(511) - 256 + 1) // 2)


def test_sums_out_of_reach_do_not_bind_a_line():
    bent = np.array([[10, 20, 30, 40, 400, 401, 900.0]])
    assert find_lines(bent, np.array([0]), np.array([1000])) is None
    lines = find_lines(bent, np.array([0]), np.array([45]))
    assert np.array_equal(lines.apply(np.arange(46)), counts(bent, np.arange(46))[0])


def test_channels_that_never_change_and_those_that_begin_above_zero():
    table = np.array([[-5, -4, 90.0], [200, 300, 400], [-30, 7, 51]])
    lines = find_lines(table, np.array([0, 0, -9]), np.array([80, 150, 50]))
    assert lines.apply(np.array([[0, 0, -9], [80, 150, 6], [3, 3, 7]])).tolist() == [[2, 0, 1], [2, 0, 1], [2, 0, 2]]


def test_only_one_row_that_is_not_multiplied_is_a_shift():
    assert find_shift(line_models.straight_thresholds(1, 255, 2.0), 0, 510, 0).shift == 1
    assert find_shift(line_models.straight_thresholds(1, 255, 3.0), 0, 510, 0) is None
    assert find_shift(np.repeat(line_models.straight_thresholds(1, 255, 2.0), 2, axis=0), 0, 510, 0) is None


MODELS = {
    "conv": lambda: line_models.line_conv(pe=4, simd=3),
    "conv_pointwise": lambda: line_models.line_conv((4, 4, 8), 16, 1, pe=8, simd=2),
    "conv_parallel_tables": lambda: line_models.line_conv(pe=2, simd=3, Window="parallel", Multiplier="lut"),
    "columns": lambda: line_models.line_depthwise(dim=(4, 5), channels=4, kernel=3, simd=3),
    "columns_serial": lambda: line_models.line_depthwise(dim=(6, 5), channels=10, kernel=3, simd=1),
    "columns_no_residual": lambda: line_models.line_depthwise(0, dim=(4, 5), channels=4, kernel=3, simd=3),
    "windows": lambda: line_models.line_depthwise(dim=(4, 5), channels=4, kernel=3, pe=2, simd=3),
    "windows_at_once": lambda: line_models.line_depthwise(1, dim=(4, 5), channels=4, kernel=3, pe=4, simd=9),
    "windows_no_residual": lambda: line_models.line_depthwise(0, dim=(3, 5), channels=2, kernel=5, pe=2, simd=25),
    "threshold": lambda: line_models.line_threshold(),
    "threshold_one_row": lambda: line_models.line_threshold(rows=1, pe=4),
    "threshold_unsigned": lambda: line_models.line_threshold(rows=1, pe=1, x="UINT13"),
    "add": lambda: line_models.line_add(),
    "add_that_begins_late": lambda: line_models.line_add(first=100),
    "add_as_it_is": lambda: line_models.line_add(ratio=1, pe=4),
    "bilinear": lambda: line_models.line_bilinear(),
    "bilinear_finer": lambda: line_models.line_bilinear(ratio=8, pe=2),
}


@pytest.mark.parametrize("kernel", MODELS)
def test_kernels_with_lines_are_exact_under_stalls(kernel):
    bench = KernelBench(MODELS[kernel]())
    assert len(np.unique(bench.expected[0])) > 20, "the codes must not all be clipped"
    bench.check_all_patterns()


def test_thresholds_that_lie_on_no_line_stay():
    model = line_models.conv_model((4, 4, 2), 2, 1, **line_models.EIGHT)
    bent = np.sort(np.random.default_rng(1).integers(-9000, 9000, (2, 255)), axis=1)
    line_models.lined(model, {2: bent}, set())


def test_attributes_that_do_not_fit_the_thresholds_are_refused():
    for model, values, sentence in (
        (line_models.line_conv(), {"LineBits": [9, 9]}, r"LineBits=\[9, 9\], but its thresholds need LineBits=\[\d+"),
        (line_models.line_add(), {"SumShift": 3}, r"SumShift=3, but its thresholds need SumShift=1; lower the network"),
    ):
        operation = line_models.getCustomOp(model.graph.node[0])
        for name, value in values.items():
            operation.set_nodeattr(name, value)
        with pytest.raises(ConfigError, match=sentence):
            KernelBench(model)
    model = line_models.line_conv()
    model.set_initializer(model.graph.node[0].input[2], np.arange(4 * 255).reshape(4, 255)[:, ::-1] ** 2 % 9000)
    with pytest.raises(ConfigError, match="but its thresholds have no line"):
        KernelBench(model)
