"""Tables of codes of one and of two streams: reference, RTL, netlist and cost model."""

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.code_table import code_table_reference
from tests.rtl.kernel_bench import KernelBench
from tests.rtl.netlist_bench import NetlistBench
from tests.rtl.test_cost_models import check
from tests.rtl.test_stream_kernels import model_of


def table(types, out, channels=None, *, dim=(3, 4), width=4, pe=1):
    """A kernel with random words, of one row or one for each of ``channels``."""
    kinds, y = [DataType[each] for each in types], DataType[out]
    shape = (channels or 1, 1 << sum(each.bitwidth() for each in kinds))
    words = np.random.default_rng(shape[1]).integers(int(y.min()), int(y.max()) + 1, shape)
    second = {"inputDataType2": types[1]} if len(types) > 1 else {}
    return model_of(
        "CodeTable_rtl", dim=dim, channels=channels or width, streams=len(types), types=types, PE=pe,
        constants={len(types): words}, outputDataType=out, TableRows=shape[0], **second,
    )  # fmt: skip


def test_reference_looks_each_code_up():
    random = np.random.default_rng(3)
    a, b = random.integers(-4, 4, (2, 3, 2, 5)), random.integers(0, 4, (2, 3, 2, 5))
    words = random.integers(0, 100, (5, 32))
    found = code_table_reference([a, b], [DataType["INT3"], DataType["UINT2"]], words)
    for place in np.ndindex(a.shape):
        assert found[place] == words[place[-1], (a[place] + 4) * 4 + b[place]]


@pytest.mark.parametrize(
    ("types", "out", "channels", "pe"),
    [
        (["UINT4"], "UINT4", None, 2),
        (["INT5"], "INT8", 6, 3),
        (["INT8"], "UINT8", 3, 1),
        (["INT4", "UINT3"], "INT6", None, 4),
        (["UINT3", "INT3"], "UINT4", 4, 2),
    ],
)
def test_rtl(types, out, channels, pe):
    KernelBench(table(types, out, channels, pe=pe)).check_all_patterns()


@pytest.mark.parametrize(
    ("types", "channels"), [pytest.param(["INT5"], 4, marks=pytest.mark.slow), (["UINT3", "INT3"], None)]
)
def test_netlist(types, channels):
    NetlistBench(table(types, "UINT4", channels, dim=(2, 3), pe=2), num_frames=2).check_all_patterns()


COSTS = {
    "four_bits": (["UINT4"], "UINT4", None),
    "eight_bits": (["INT8"], "UINT8", None),
    "eight_bits_of_each": (["INT8"], "UINT8", 16),
    "a_pair": (["UINT4", "UINT4"], "UINT4", None),
    "a_pair_of_each": (["UINT4", "UINT4"], "UINT4", 8),
    "a_large_pair": (["UINT6", "INT6"], "UINT8", None),
}


@pytest.mark.parametrize(
    "name", [name if name == "eight_bits" else pytest.param(name, marks=pytest.mark.slow) for name in COSTS]
)
def test_cost(name):
    types, out, channels = COSTS[name]
    check(table(types, out, channels, dim=(8, 8), width=16))


@pytest.mark.parametrize(
    ("types", "words", "sentence"),
    [
        (
            ["UINT8", "UINT5"],
            (1, 1 << 13),
            r"a table of UINT8 and UINT5 has 2\*\*13 words a channel, more than 2\*\*12",
        ),
        (
            ["UINT4", "UINT4"],
            (1, 17),
            r"its table has shape \(1, 17\), expected \(1, 256\), one row or one per channel",
        ),
    ],
)
def test_tables_that_do_not_fit_are_refused(types, words, sentence):
    model = model_of(
        "CodeTable_rtl", dim=(2, 2), channels=2, streams=2, types=types, constants={2: np.zeros(words)},
        inputDataType2=types[1], outputDataType="UINT4", TableRows=1,
    )  # fmt: skip
    with pytest.raises(ConfigError, match=sentence):
        KernelBench(model)
