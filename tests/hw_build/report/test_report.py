"""report.json reads back as written; the page is whole, self-contained HTML that shows what the report says."""

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from hw_build.base.errors import BuildError
from hw_build.report.chart import cycles_chart
from hw_build.report.data import Baseline, Image, Node, Report, Totals, Verification, read_report, write_report
from hw_build.report.keep import with_figures_of
from hw_build.report.page import render_page
from hw_build.report.pictures import mask_picture, outline, overlay_picture
from hw_build.report.resources import BETWEEN, OTHER, budget_chart, luts_by_kind, luts_chart

BASELINE = Baseline(
    backend="rtl", target_cycles=9, cycles_per_frame=8, luts=3, dsps=2, bram18=1, nodes={"MVAU": {"count": 1}},
    not_in_finn=["Resize"],
)  # fmt: skip
VOID = {"meta", "img", "br", "link"}


@pytest.fixture
def report():
    node = {"layer": "Conv_0", "shape_in": [1, 8, 8, 3], "shape_out": [1, 8, 8, 4], "bits": 4, "pe": 2, "simd": None}
    return Report(
        board="pynq-z2",
        part="xc7z020clg400-1",
        budget={"luts": 53_200, "memory_luts": 17_400, "ffs": 106_400, "bram36": 140, "dsps": 220},
        model={"name": "tiny <network>", "parameters": 42_373, "gmac_conv": 0.412},
        totals=Totals.measured(cycles_per_frame=2_000_000, latency_cycles=1_700_000),
        verification=[
            Verification(step="convert", exact=True, against="QONNX", seconds=1.5),
            Verification(
                step="lower", exact=False, against="convert", seconds=2.0, first_difference="conv3 at (0, 1, 2, 3)"
            ),
        ],
        nodes=[
            Node(name="conv0", kernel="ConvolutionInputGenerator_rtl", origin="finn", expected_cycles=1_000, **node),
            Node(
                name="dw0",
                kernel="DepthwiseConv_rtl",
                origin="edgeseg",
                expected_cycles=1_900_000,
                measured_cycles=2_000_000,
                fifo_depth=64,
                fifo_high_water=12,
                **node,
            ),
        ],
        image=Image(name="benign_184", logits=65_536, differing_logits=0, iou=0.8125),
    )


class Checker(HTMLParser):
    """Collects text and every address, and that tags close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.addresses = [], [], []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for key, value in attrs if key in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def check(page):
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert all(address.startswith("data:image/png;base64,") for address in checker.addresses)
    assert not re.search(r"@import|url\(", page)
    return " ".join(" ".join(checker.text).split()), checker.addresses


def test_json_reads_back(report, tmp_path):
    write_report(tmp_path / "report.json", report)
    table = json.loads((tmp_path / "report.json").read_text())
    known = {key: value for key, value in table["totals"].items() if value is not None}
    assert known == {"cycles_per_frame": 2_000_000, "fps_at_100mhz": 50.0, "latency_cycles": 1_700_000}
    assert [line["exact"] for line in table["verification"]] == [True, False]
    assert read_report(tmp_path / "report.json") == report
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_unreadable_report(tmp_path):
    path = tmp_path / "report.json"
    with pytest.raises(BuildError, match=r"cannot be read \(No such file or directory\); run the build first"):
        read_report(path)
    path.write_text('{"totals": {}}')
    with pytest.raises(BuildError, match="is not a report of this version"):
        read_report(path)


def test_page_shows_the_report(report):
    picture = np.zeros((8, 8, 3), np.uint8)
    text, addresses = check(render_page(report, {"image": picture, "prediction": picture[..., 0]}))
    assert len(addresses) == 2
    for expected in (
        *("tiny <network> on pynq-z2", "NOT exact", "2,000,000", "50", "42,373", "0.412", "0.8125"),
        *("conv3 at (0, 1, 2, 3)", "DepthwiseConv_rtl", "8×8×4", "65,536 logits", "all equal"),
    ):
        assert expected in text


def test_page_says_how_many_logits_of_the_image_differ(report):
    picture = {"image": np.zeros((8, 8, 3), np.uint8)}
    wrong = replace(report, image=replace(report.image, differing_logits=1_234))
    text, _ = check(render_page(wrong, picture))
    assert "65,536 logits of the simulated accelerator compared with the reference: 1,234 differ." in text
    assert "all equal" not in text and "differ." not in check(render_page(report, picture))[0]


def test_page_of_an_exact_build_without_an_image(report):
    exact = replace(report, verification=report.verification[:1], image=None, totals=Totals())
    text, addresses = check(render_page(exact, {}))
    assert "every step exact" in text and "NOT exact" not in text
    assert addresses == []


def test_chart_is_well_formed_and_to_scale(report):
    cycles = {"a": (500_000, None), "b": (1_900_000, 2_000_000), "c": (1_000, 250_000)}  # expected, measured
    nodes = [
        replace(report.nodes[0], name=name, expected_cycles=expected, measured_cycles=measured)
        for name, (expected, measured) in cycles.items()
    ]
    chart = ElementTree.fromstring(cycles_chart(nodes, 2_000_000))
    widths = [float(bar.get("width")) for bar in chart.iter("rect")]
    full = widths[0] * 4  # the plot's width: 2,000,000 cycles
    assert widths[1] == pytest.approx(full * 0.95, abs=0.2)
    assert widths[2] == 0.5 > full * 0.0005  # the shortest bar is still seen
    left = float(next(chart.iter("rect")).get("x"))
    places = [float(line.get("x1")) - left for line in chart.iter("line")]
    assert places == pytest.approx([full, full / 8, full], abs=0.2)  # two measured marks, the frame
    names = [text.text for text in chart.iter("text")]
    assert [name for name in names if name in cycles] == list(cycles)
    assert "1,900,000 / 2,000,000" in names and "500,000" in names


def test_resources_are_shown_against_the_budget(report):
    assert "Resources" not in check(render_page(report, {}))[0]
    used = {"luts": 60_000, "lutram": 900, "srl": 100, "ffs": 20_000, "bram36": 70, "dsps": 11}
    totals = Totals.measured(**used, parts_not_synthesised=3)
    nodes = [
        replace(report.nodes[0], luts=20_000, stream_luts=1_000),
        replace(report.nodes[1], luts=30_000, stream_luts=4_000, not_synthesised=None),
    ]
    text, _ = check(render_page(replace(report, totals=totals, nodes=nodes, image=None), {}))
    for expected in ("60,000 of 53,200 (113%)", "1,000 of 17,400 (6%)", "70 of 140 (50%)", "3 instances could not"):
        assert expected in text
    assert luts_by_kind(nodes, 60_000) == [
        ("DepthwiseConv_rtl", 1, 30_000),
        ("ConvolutionInputGenerator_rtl", 1, 20_000),
        (BETWEEN, 0, 5_000),
        (OTHER, 0, 5_000),
    ]


def test_bars_of_luts_are_to_scale():
    chart = ElementTree.fromstring(luts_chart([("a", 2, 4_000), ("b", 0, 1_000), ("c", 1, 0)]))
    widths = [float(bar.get("width")) for bar in chart.iter("rect")]
    assert widths[1:] == [pytest.approx(widths[0] / 4, abs=0.1), 0.5]
    names = [text.text for text in chart.iter("text")]
    assert names == ["2 a", "4,000 (80%)", "b", "1,000 (20%)", "1 c", "0 (0%)"]


def test_budget_bars_are_to_scale():
    bars = list(ElementTree.fromstring(budget_chart([("a", 150, 100), ("b", 50, 100)])).iter("rect"))
    assert [bar.get("class") for bar in bars] == ["over", "edgeseg"]
    assert float(bars[0].get("width")) == pytest.approx(3 * float(bars[1].get("width")), abs=0.2)


def test_pictures():
    mask = np.zeros((6, 6), bool)
    mask[1:5, 1:5] = True
    ring = outline(mask)
    assert ring.sum() == 12 and not ring[2:4, 2:4].any()
    assert set(np.unique(mask_picture(mask))) == {0, 255}
    codes = np.full((6, 6, 3), 100, np.uint8)
    overlay = overlay_picture(codes, mask, None)
    assert np.array_equal(overlay[0, 0], [100, 100, 100])
    assert not np.array_equal(overlay[2, 2], [100, 100, 100])
    assert outline(np.ones((3, 3), bool)).sum() == 8


def test_page_tells_the_latency_of_paced_frames(report):
    assert "at a steady rate" not in render_page(report, {})
    paced = replace(report.totals, paced_cycles_per_frame=2_000_000, paced_latency_cycles=2_500_000)
    page = render_page(replace(report, totals=paced), {})
    assert "at a steady rate" in page and "2,500,000 (1.25)" in page


def shorter(report):
    """What a build of the same design reports that stops before anything is measured."""
    unmeasured = {"measured_cycles": None, "fifo_depth": None, "fifo_high_water": None}
    nodes = [replace(node, **unmeasured) for node in report.nodes]
    return replace(report, totals=Totals(), nodes=nodes, verification=report.verification[:1], image=None)


def test_shorter_run_keeps_what_was_measured_of_its_design(report):
    report = replace(report, design="0x1", baseline=BASELINE)
    assert with_figures_of(report, shorter(report)) == report
    newer = replace(shorter(report), totals=Totals.measured(cycles_per_frame=1_000_000))
    kept = with_figures_of(report, newer)
    assert (kept.totals.cycles_per_frame, kept.totals.latency_cycles) == (1_000_000, 1_700_000)


def test_figures_of_another_design_are_not_kept(report):
    report = replace(report, design="0x1")
    for other in ({"design": "0x2"}, {"design": None}, {"board": "zybo-z7-20"}, {"model": {"name": "other"}}):
        changed = replace(shorter(report), **other)
        assert with_figures_of(report, changed) == changed
    assert with_figures_of(None, report) == report


def test_pictures_of_classes_have_a_colour_for_each():
    classes = np.zeros((6, 8), np.uint8)
    classes[1:5, 1:4], classes[1:5, 4:7] = 1, 2
    assert mask_picture(classes)[2, 2].tolist() == [128, 0, 0] and mask_picture(classes)[2, 5].tolist() == [0, 128, 0]
    assert outline(classes)[2].tolist() == [False, True, False, True, True, False, True, False]
    overlay = overlay_picture(np.full((6, 8, 3), 100, np.uint8), classes, None)
    assert overlay[2, 4].tolist() == [0, 128, 0] and overlay[0, 0].tolist() == [100] * 3
    assert overlay[2, 2].tolist() not in ([100] * 3, [128, 0, 0])
