"""The documentation's figures of kernels: of the instances that the command makes, by the models of today."""

import json
from pathlib import Path

import pytest

from tests.rtl.kernel_costs import INSTANCES, modelled

FIGURES = json.loads((Path(__file__).parents[2] / "docs" / "results" / "kernels.json").read_text())
LUTS_APART = {"requantization": 0.17}  # others 0.15: the tables of 16 lines that are little alike take fewer


def test_the_figures_are_those_of_the_instances():
    assert [each["what"] for each in FIGURES] == [instance.what for instance in INSTANCES]
    assert all(each["used"] or each["finn_used"] for each in FIGURES)


@pytest.mark.parametrize("place", [n for n, instance in enumerate(INSTANCES) if instance.ours])
def test_the_models_are_those_of_the_figures_and_within_15_percent(place):
    figures, now = FIGURES[place], modelled(INSTANCES[place])
    assert figures["modelled"] == now
    assert (now["bram18"], now["dsps"]) == (figures["used"]["bram18"], figures["used"]["dsps"])
    apart = LUTS_APART.get(figures["what"].split()[0], 0.15)
    assert now["luts"] == pytest.approx(figures["used"]["luts"], rel=apart)
