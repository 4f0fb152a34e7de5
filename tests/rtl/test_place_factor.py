"""Multiplication by a factor of the place: reference, RTL, netlist and cost model."""

from functools import partial

import numpy as np
import pytest

from hw_build.base.errors import ConfigError
from hw_build.kernels.place_factor import place_factor_reference
from tests.rtl.kernel_bench import KernelBench
from tests.rtl.netlist_bench import NetlistBench
from tests.rtl.test_cost_models import check
from tests.rtl.test_stream_kernels import model_of

SLOW = pytest.mark.slow


def scaled(*, dim=(4, 5), row=(3, 2), column=(3, 2), **attributes):
    """Factors ``row`` and ``column``: of the outer rows and columns, and of those inside."""
    factors = [[edge, *([inside] * (side - 2)), edge] for (edge, inside), side in zip((row, column), dim, strict=True)]
    return model_of("PlaceFactor_rtl", dim=dim, RowFactors=factors[0], ColumnFactors=factors[1], **attributes)


def test_reference_multiplies_each_pixel():
    x = np.random.default_rng(1).integers(-128, 128, (2, 3, 4, 5))
    expected = np.array([[[[x[n, i, j, c] * (2, 3, 5)[i] * (1, 7, 4, 9)[j] for c in range(5)] for j in range(4)]
                          for i in range(3)] for n in range(2)])  # fmt: skip
    np.testing.assert_array_equal(place_factor_reference(x, [2, 3, 5], [1, 7, 4, 9]), expected)


CASES = {
    "pool_3x3": {"channels": 6, "x": "UINT8", "PE": 2, "outputDataType": "UINT12"},
    "signed": {"channels": 3, "x": "INT7", "PE": 1, "outputDataType": "INT11"},
    "rows_alone": {"dim": (3, 2), "channels": 4, "x": "UINT6", "PE": 4, "column": (1, 1), "outputDataType": "UINT8"},
    "wide": {"dim": (2, 3), "channels": 2, "x": "UINT13", "PE": 1, "row": (20, 12), "column": (20, 12),
             "outputDataType": "UINT22"},
}  # fmt: skip


@pytest.mark.parametrize("name", [name if name == "pool_3x3" else pytest.param(name, marks=SLOW) for name in CASES])
def test_rtl(name):
    KernelBench(scaled(**CASES[name])).check_all_patterns()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pool_3x3", "signed"])
def test_netlist(name):
    NetlistBench(scaled(**CASES[name]), num_frames=2).check_all_patterns()


COSTS = {
    f"{side}_{channels}_{pe}_{x}": partial(
        scaled, dim=(side, side), channels=channels, PE=pe, x=x, outputDataType=out, row=row, column=row
    )
    for side, channels, pe, x, out, row in (
        (32, 16, 1, "UINT8", "UINT12", (3, 2)),
        (64, 16, 1, "UINT8", "UINT12", (3, 2)),
        (32, 16, 4, "UINT12", "UINT16", (3, 2)),
        (16, 24, 1, "UINT13", "UINT22", (20, 12)),
        (128, 8, 8, "UINT8", "UINT12", (3, 2)),
    )
}


@pytest.mark.parametrize(
    "name", [name if number == 0 else pytest.param(name, marks=SLOW) for number, name in enumerate(COSTS)]
)
def test_cost(name):
    check(COSTS[name]())


def test_factors_must_be_those_of_the_image():
    with pytest.raises(ConfigError, match=r"ColumnFactors=\[3, 2, 3\] must be positive, one for each of 4 rows and 5"):
        KernelBench(model_of("PlaceFactor_rtl", dim=(4, 5), channels=2, RowFactors=[1] * 4, ColumnFactors=[3, 2, 3],
                             outputDataType="UINT8"))  # fmt: skip
