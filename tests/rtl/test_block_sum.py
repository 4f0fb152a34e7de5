"""Sum of blocks of rows or of columns: reference, RTL, netlist and cost model; the repetition of such lines."""

from functools import partial

import numpy as np
import pytest

from hw_build.base.errors import ConfigError
from hw_build.kernels.block_sum import block_sum_reference
from tests.rtl.kernel_bench import KernelBench
from tests.rtl.netlist_bench import NetlistBench
from tests.rtl.test_cost_models import check
from tests.rtl.test_stream_kernels import model_of

SLOW = pytest.mark.slow


def summed(dim, channels, pe, rows, columns, out, x="UINT4"):
    return model_of(
        "BlockSum_rtl", dim=dim, channels=channels, x=x, PE=pe, Rows=rows, Columns=columns, outputDataType=out
    )


def line(dim, pe, size=(3, 4), channels=4):
    return model_of("StreamRepeat_rtl", dim=dim, channels=channels, x="INT5", PE=pe, OutDim=size, OutChannels=channels)


def test_reference_is_the_sum_of_the_pixels_of_each_block():
    x = np.random.default_rng(1).integers(-8, 8, (2, 6, 8, 3))
    expected = sum(x[:, row::3, column::2] for row in range(3) for column in range(2))
    np.testing.assert_array_equal(block_sum_reference(x, 3, 2), expected)


@pytest.mark.parametrize(
    ("dim", "pe", "rows", "columns", "x", "out"),
    [
        ((4, 6), 2, 2, 1, "INT4", "INT5"),
        pytest.param((3, 6), 2, 1, 6, "UINT4", "UINT7", marks=SLOW),
        pytest.param((4, 3), 4, 4, 1, "UINT8", "UINT10", marks=SLOW),
        pytest.param((2, 6), 1, 1, 3, "INT7", "INT9", marks=SLOW),
    ],
)
def test_rtl(dim, pe, rows, columns, x, out):
    KernelBench(summed(dim, 4, pe, rows, columns, out, x)).check_all_patterns()


@pytest.mark.parametrize("dim", [(3, 1), pytest.param((1, 4), marks=SLOW)])
@pytest.mark.parametrize("pe", [2, pytest.param(4, marks=SLOW)])
def test_repetition_of_a_line(dim, pe):
    KernelBench(line(dim, pe)).check_all_patterns()


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "columns"), [(4, 1), (1, 6)])
def test_netlist(rows, columns):
    NetlistBench(summed((4, 6), 4, 2, rows, columns, "UINT7"), num_frames=2).check_all_patterns()


COSTS = {
    "rows": partial(summed, (32, 32), 16, 1, 32, 1, "UINT9"),
    "rows_at_once": partial(summed, (32, 32), 16, 16, 32, 1, "UINT9"),
    "columns": partial(summed, (32, 32), 16, 1, 1, 32, "UINT9"),
    "blocks_of_rows": partial(summed, (32, 16), 8, 2, 4, 1, "UINT6"),
    "row_repeated": partial(line, (1, 32), 1, (32, 32), 16),
    "column_repeated": partial(line, (32, 1), 2, (32, 32), 16),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COSTS)
def test_cost(name):
    check(COSTS[name]())


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ((2, 2, "UINT8"), "Rows=2 and Columns=2 must divide the image's 4 and 6, and one of them must be 1"),
        ((3, 1, "UINT8"), "Rows=3 and Columns=1 must divide the image's 4 and 6"),
        ((1, 6, "UINT5"), "6 pixels of UINT4 sum up to 0 to 90, which outputDataType=UINT5 cannot hold"),
    ],
)
def test_what_does_not_fit_is_refused(attributes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        KernelBench(summed((4, 6), 4, 2, *attributes))
