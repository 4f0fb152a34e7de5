"""``report.html``: one self-contained page (inline style, SVG and PNG data) made from a ``Report`` and the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import Any

import numpy as np

from hw_build.folding.account import tell_account
from hw_build.report.chart import cycles_chart
from hw_build.report.data import Image, Node, Report, Totals, Verification
from hw_build.report.pictures import png_data_uri
from hw_build.report.resources import baseline_rows, budget_chart, budget_rows, luts_by_kind, luts_chart

_NONE = "–"
_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --paper: #fff; --ours: #2f6fdb;
  --finn: #8a63d2; --mark: #cf222e; --good: #1a7f37; --bad: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --paper: #0d1117;
  --ours: #4493f8; --finn: #ab7df8; --mark: #ff7b72; --good: #3fb950; --bad: #f85149; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1180px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p, figcaption { color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .5rem; text-align: left; white-space: nowrap; }
td.n, th.n { text-align: right; } td.wide { white-space: normal; }
.scroll { overflow-x: auto; } .good, .bad { font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .8rem; margin-top: 1rem; }
.facts div { border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem; }
.facts b { display: block; font-size: 1.25rem; } .facts span { color: var(--soft); font-size: 13px; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: .8rem; }
figure { margin: 0; } figure img { width: 100%; image-rendering: pixelated; border: 1px solid var(--line); }
.chart { width: 100%; height: auto; font-size: 11px; } .chart text { fill: var(--ink); }
.chart rect.edgeseg { fill: var(--ours); } .chart rect.finn { fill: var(--finn); }
.chart rect.over { fill: var(--bad); }
.chart .measured { stroke: var(--mark); stroke-width: 2; }
.chart line.limit { stroke: var(--soft); stroke-dasharray: 3 3; } .chart text.limit { fill: var(--soft); }
.key { display: inline-block; width: .8em; height: .8em; vertical-align: -.05em; margin: 0 .3em 0 .9em; }
"""


def render_page(report: Report, pictures: Mapping[str, np.ndarray]) -> str:
    """The page as text. ``pictures`` maps captions to (H, W) or (H, W, 3) uint8, shown in their order."""
    verdict = "every step exact" if report.exact else "NOT exact"
    name = str(report.model.get("name", "network"))
    body = [
        f"<h1>{escape(name)} on {escape(report.board)}</h1>",
        f'<p>{escape(report.part)} · <span class="{"good" if report.exact else "bad"}">{verdict}</span></p>',
        _facts(report),
    ]
    if report.image is not None and pictures:
        body += [
            f"<h2>Image: {escape(report.image.name)}</h2>",
            _pictures(pictures),
            f"<p>{_image_line(report.image)}</p>",
        ]
    body += [
        "<h2>Verification</h2>",
        "<p>Each representation of the network, executed on real images and compared integer by integer.</p>",
        _verification(report.verification),
        "<h2>Cycles per frame, node by node</h2>",
        '<p><span class="key" style="background:var(--ours)"></span>our RTL'
        '<span class="key" style="background:var(--finn)"></span>FINN\'s RTL'
        '<span class="key" style="background:var(--mark)"></span>measured in the simulation'
        " · figures: expected / measured</p>",
        cycles_chart(report.nodes, report.totals.cycles_per_frame),
        *([f"<p>{escape(tell_account(report.folding))}</p>"] if report.folding else []),
        *_netlist(report.totals),
        *_implementation(report),
        *_resources(report),
        *_baseline(report),
        "<h2>Nodes</h2>",
        _nodes(report.nodes),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(name)}: edgeseg report</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n<body>\n'
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _facts(report: Report) -> str:
    totals, model = report.totals, report.model
    facts = [
        ("cycles per frame", _number(totals.cycles_per_frame)),
        ("frames/s at 100 MHz", _number(totals.fps_at_100mhz)),
        ("cycles, first pixel in to last result out", _number(totals.latency_cycles)),
        ("cycles, last pixel in to last result out", _number(totals.flush_cycles)),
        ("the first of these, frames paced", _paced(totals)),
        ("parameters", _number(model.get("parameters"))),
        ("GMAC in convolutions", _number(model.get("gmac_conv"))),
        ("IoU of the image", _number(report.image.iou if report.image else None)),
        ("kHz of the simulation", _number(totals.simulated_khz)),
    ]
    boxes = (f"<div><b>{value}</b><span>{name}</span></div>" for name, value in facts if value != _NONE)
    return f'<div class="facts">{"".join(boxes)}</div>'


def _paced(totals: Totals) -> str:
    """Latency where frames come at the design's own rate, and in frame times."""
    if totals.paced_latency_cycles is None or not totals.paced_cycles_per_frame:
        return _NONE
    return f"{totals.paced_latency_cycles:,} ({totals.paced_latency_cycles / totals.paced_cycles_per_frame:.2f})"


def _resources(report: Report) -> list[str]:
    """Charts and the nodes' resources; nothing where nothing was synthesised."""
    rows = budget_rows(report.totals, report.budget)
    if not rows:
        return []
    missing = report.totals.parts_not_synthesised
    warning = f' <span class="bad">{missing} instances could not be synthesised and are missing.</span>'
    return [
        "<h2>Resources</h2>",
        f"<p>Yosys' mapping of the simulated sources, before placement.{warning if missing else ''}</p>",
        budget_chart(rows),
        "<h2>Where the LUTs go</h2>",
        luts_chart(luts_by_kind(report.nodes, report.totals.luts)),
        "<h2>Resources, node by node</h2>",
        _node_resources(report.nodes),
    ]


def _netlist(totals: Totals) -> list[str]:
    """What the device netlist takes; nothing where it was not made."""
    if totals.netlist_luts is None:
        return []
    rows = [
        [_cell(what), _cell(_number(count), "n")]
        for what, count in (
            ("LUT sites", totals.netlist_luts),
            ("flip-flops", totals.netlist_ffs),
            ("BRAM36", totals.netlist_bram36),
            ("DSP48E1", totals.netlist_dsps),
        )
    ]
    return ["<h2>The device netlist</h2>", _table(["", "cells handed to place and route"], rows, {1})]


def _implementation(report: Report) -> list[str]:
    """What place and route made of it; nothing where no tool ran."""
    if report.implementation is None:
        return []
    figures = asdict(report.implementation)
    rows = [[_cell(what.replace("_", " ")), _cell(_text(value), "n")] for what, value in figures.items()]
    rows.append([_cell("frames/s at this clock"), _cell(_number(report.totals.fps_at_fmax), "n")])
    return ["<h2>Placed and routed</h2>", _table(["", "by the tool's reports"], rows, {1})]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _number(value)


def _baseline(report: Report) -> list[str]:
    """Stock FINN beside this build; nothing where it was not asked for."""
    if report.baseline is None:
        return []
    figures = baseline_rows(report.baseline, report)
    rows = [[_cell(what), *(_cell(_number(value), "n") for value in values)] for what, *values in figures]
    missing = ", ".join(report.baseline.not_in_finn)
    without = f" FINN has no node for {escape(missing)}: they count nothing." if missing else ""
    return [
        "<h2>Beside stock FINN</h2>",
        "<p>The same network folded by FINN's SetFolding for the cycles of this build. FINN's figures are its own "
        f"estimates, without FIFOs; nothing of it was synthesised.{without}</p>",
        _table(["", "FINN, its estimates", "ours, by the models", "ours, synthesised or simulated"], rows, {1, 2, 3}),
    ]


def _node_resources(nodes: Sequence[Node]) -> str:
    heads = ["node", "LUTs, model", "LUTs", "LUTRAM", "SRL", "FFs", "BRAM18, model", "BRAM18", "DSPs, model", "DSPs"]
    heads += ["LUTs behind it", "BRAM18 behind it"]
    rows = [
        [
            _cell(node.name),
            *(
                _cell(_number(value), "n")
                for value in (
                    *(node.expected_luts, node.luts, node.lutram, node.srl, node.ffs),
                    *(node.expected_bram18, node.bram18, node.expected_dsps, node.dsps),
                    *(node.stream_luts, node.stream_bram18),
                )
            ),
        ]
        for node in nodes
    ]
    return _table(heads, rows, numeric=set(range(1, len(heads))))


def _pictures(pictures: Mapping[str, np.ndarray]) -> str:
    figures = [
        f'<figure><img alt="{escape(caption)}" src="{png_data_uri(pixels)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, pixels in pictures.items()
    ]
    return f'<div class="pictures">{"".join(figures)}</div>'


def _image_line(image: Image) -> str:
    compared = f"{image.logits:,} logits of the simulated accelerator compared with the reference: "
    return compared + ("all equal." if image.differing_logits == 0 else f"{image.differing_logits:,} differ.")


def _verification(lines: Sequence[Verification]) -> str:
    heads = ["step", "result", "compared with", "seconds"]
    differs = any(not line.exact for line in lines)
    rows = [
        [
            _cell(line.step),
            f'<td class="{"good" if line.exact else "bad"}">{"exact" if line.exact else "differs"}</td>',
            _cell(line.against, "wide"),
            _cell("" if line.seconds is None else f"{line.seconds:.1f}", "n"),
            *([_cell(line.first_difference or "", "wide")] if differs else []),
        ]
        for line in lines
    ]
    return _table([*heads, *(["first difference"] if differs else [])], rows, numeric={3})


def _nodes(nodes: Sequence[Node]) -> str:
    rows = [
        [
            _cell(node.name),
            _cell(node.layer),
            _cell(node.origin),
            _cell("×".join(map(str, node.shape_in[1:]))),
            _cell("×".join(map(str, node.shape_out[1:]))),
            *(
                _cell(_number(value), "n")
                for value in (
                    *(node.bits, node.pe, node.simd, node.expected_cycles, node.measured_cycles),
                    *(node.fifo_depth, node.fifo_high_water),
                )
            ),
        ]
        for node in nodes
    ]
    texts = ["kernel", "layer", "RTL", "in (H×W×C)", "out"]  # the name is the kernel and a number
    numbers = ["bits", "PE", "SIMD", "expected", "measured", "FIFO", "highest"]
    return _table([*texts, *numbers], rows, numeric=set(range(len(texts), len(texts) + len(numbers))))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numeric: set[int]) -> str:
    head = "".join(f"<th{' class=n' if i in numeric else ''}>{escape(text)}</th>" for i, text in enumerate(heads))
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _cell(text: str, kind: str = "") -> str:
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"


def _number(value: Any) -> str:
    if value is None:
        return _NONE
    return f"{value:,.4g}" if isinstance(value, float) and value < 1000 else f"{value:,.0f}"
