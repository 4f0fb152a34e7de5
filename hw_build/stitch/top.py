"""Nodes and streams -> the text of ``top.sv``.

Each stream is a ``stream_edge`` (FIFO) of the producer's width, then, where the folding differs, a ``stream_width`` to
the consumer's (two, over the least common multiple, when neither folding divides the other).
"""

from __future__ import annotations

from math import lcm
from typing import TYPE_CHECKING

from hw_build.kernels.fifo_memory import ultra_beats, word_beats
from hw_build.stitch.design import INPUT, OUTPUT, TOP_MODULE, Stream

if TYPE_CHECKING:
    from collections.abc import Collection

    from board.io_spec import FrameLayout
    from hw_build.kernels.base import StreamPort
    from hw_build.stitch.graph import PlacedNode

ULTRA_EDGE = "stream_edge_ultra"  # a FIFO in UltraRAM
HEADER = """\
// The stitched accelerator: one instance per node, one FIFO per stream. Generated from the hardware graph.
//
// In:   s_axis, one pixel a beat: {channels} channels of 8 bits, channel 0 at bits [7:0]; {height} x {width} pixels a
//       frame in raster order, frames back to back without sideband.
// Out:  m_axis, 32-bit words, TLAST with the last word of a frame. mask_mode = 0: one logit a word, sign-extended,
//       {classes} a pixel{of_size}. mask_mode = 1: {decisions}.
//       A frame is an even number of words, filled up with zeros. mask_mode changes only when idle.
// GAUGE = 1 adds counters to every stream, read over the gauge_* port; isolate cuts all streams (see stream_edge.sv).
`default_nettype none
module {top} #(
  parameter bit GAUGE = 1'b0
) (
  input  wire logic         ap_clk,
  input  wire logic         ap_rst_n,
  input  wire logic [{in_high}:0]  s_axis_tdata,
  input  wire logic         s_axis_tvalid,
  output      logic         s_axis_tready,
  output      logic [31:0]  m_axis_tdata,
  output      logic         m_axis_tvalid,
  input  wire logic         m_axis_tready,
  output      logic         m_axis_tlast,
  input  wire logic         mask_mode,
  input  wire logic         isolate,
  input  wire logic         gauge_clk,
  input  wire logic [15:0]  gauge_addr,
  output      logic [31:0]  gauge_data
);

  logic [31:0] now;
  if (GAUGE) begin : g_now
    logic [31:0] now_q = '0;
    always_ff @(posedge ap_clk) now_q <= ap_rst_n ? now_q + 1'b1 : '0;
    assign now = now_q;
  end else begin : g_no_now
    assign now = '0;
  end

  logic [31:0] gauge [{edges}+1];
  assign gauge[0] = '0;
  assign gauge_data = gauge[{edges}];
"""

_ONE_CLASS = "32 pixels a word, bit i = (logit of pixel i > 0)"
_SEVERAL_CLASSES = "4 pixels a word, byte i = index of the largest logit of pixel i, the first of equals"


def top_text(
    placed: list[PlacedNode],
    streams: list[Stream],
    ultra: Collection[str],
    *,
    layout: FrameLayout,
    logit_bits: int,
    logit_signed: bool,
) -> str:
    """SystemVerilog of the whole accelerator; the FIFOs of the tensors ``ultra`` lie in UltraRAM."""
    parts = [
        HEADER.format(
            top=TOP_MODULE,
            channels=layout.channels,
            height=layout.height,
            width=layout.width,
            in_high=8 * layout.channels - 1,
            edges=len(streams),
            classes=layout.classes,
            of_size=f" of {layout.out_height} x {layout.out_width}" if layout.resizes else "",
            decisions=_ONE_CLASS if layout.classes == 1 else _SEVERAL_CLASSES,
        )
    ]
    index_of = {stream.tensor: i for i, stream in enumerate(streams)}
    parts += [_edge(i, stream, stream.tensor in ultra) for i, stream in enumerate(streams)]
    for item in placed:
        parts.append(_node(item, index_of))
    for i, stream in enumerate(streams):
        if stream.producer == INPUT:
            parts.append(
                f"  assign p{i}_tdata = s_axis_tdata;\n  assign p{i}_tvalid = s_axis_tvalid;\n"
                f"  assign s_axis_tready = p{i}_tready;\n"
            )
        if stream.consumer == OUTPUT:
            parts.append(_output(i, layout.out_pixels, layout.classes, logit_bits, logit_signed))
    return "\n".join(parts) + "\nendmodule\n`default_nettype wire\n"


def _edge(i: int, stream: Stream, ultra: bool) -> str:
    """Signals p{i} (producer's side), c{i} (consumer's side) and what lies between them."""
    bits, wide = stream.element_bits, stream.producer_elements
    chain = _width_steps(wide, stream.consumer_elements)
    names = [f"p{i}", *(f"f{i}_{k}" for k in range(len(chain))), f"c{i}"]
    counts = [wide, wide, *chain]
    lines = [f"  // stream {i}: {stream.label}, tensor {stream.tensor}"]
    for name, count in zip(names, counts, strict=True):
        lines += [f"  logic [{count * bits - 1}:0] {name}_tdata;", f"  logic {name}_tvalid, {name}_tready;"]
    module, packing = (ULTRA_EDGE, ultra_beats) if ultra else ("stream_edge", word_beats)
    packed = packing(stream.depth, wide * bits)
    lines.append(
        f"  {module} #(.WIDTH({wide * bits}), .DEPTH({stream.depth}), .BEATS_PER_WORD({packed}),"
        f" .BEATS_PER_FRAME({stream.beats_per_frame}), .INDEX({i}), .GAUGE(GAUGE)) edge_{i} (\n"
        "    .ap_clk(ap_clk), .ap_rst_n(ap_rst_n),\n"
        f"    {_bind('s_axis', names[0])},\n    {_bind('m_axis', names[1])},\n"
        "    .isolate(isolate), .now(now), .gauge_clk(gauge_clk), .gauge_addr(gauge_addr),"
        f" .gauge_in(gauge[{i}]), .gauge_out(gauge[{i + 1}])\n  );"
    )
    for k, count in enumerate(chain):
        lines.append(
            f"  stream_width #(.ELEMENT_BITS({bits}), .IN_ELEMENTS({counts[k + 1]}), .OUT_ELEMENTS({count}))"
            f" width_{i}_{k} (\n    .ap_clk(ap_clk), .ap_rst_n(ap_rst_n),\n"
            f"    {_bind('s_axis', names[k + 1])},\n    {_bind('m_axis', names[k + 2])}\n  );"
        )
    return "\n".join(lines) + "\n"


def _width_steps(producer: int, consumer: int) -> list[int]:
    """Elements a beat after each width converter: none, one, or two over the least common multiple."""
    if producer == consumer:
        return []
    common = lcm(producer, consumer)
    return [consumer] if common in (producer, consumer) else [common, consumer]


def _bind(prefix: str, signal: str) -> str:
    return ", ".join(f".{prefix}_{wire}({signal}_{wire})" for wire in ("tdata", "tvalid", "tready"))


def _node(item: PlacedNode, index_of: dict[str, int]) -> str:
    """One instance; ports wider than their payload (FINN pads to bytes) get zeros in, and lose padding out."""
    instance = item.instance
    before, connections = [], [f".{instance.clock}(ap_clk)", f".{instance.reset_n}(ap_rst_n)"]
    for tensor, port in zip(item.inputs, instance.inputs, strict=True):
        connections.append(_connect(port, f"c{index_of[tensor]}", f"{port.width_bits}'(c{index_of[tensor]}_tdata)"))
    for k, (tensor, port) in enumerate(zip(item.outputs, instance.outputs, strict=True)):
        signal, data = f"p{index_of[tensor]}", f"p{index_of[tensor]}_tdata"
        if port.width_bits != port.payload_bits:
            data = f"{item.name}_out{k}"
            before += [
                "  /* verilator lint_off UNUSEDSIGNAL */ // padding to bytes",
                f"  logic [{port.width_bits - 1}:0] {data};",
                "  /* verilator lint_on UNUSEDSIGNAL */",
                f"  assign {signal}_tdata = {data}[{port.payload_bits - 1}:0];",
            ]
        connections.append(_connect(port, signal, data))
    overrides = ",\n    ".join(f".{name}({value})" for name, value in instance.parameters.items())
    module = f"{instance.module} #(\n    {overrides}\n  )" if instance.parameters else instance.module
    body = ",\n    ".join(connections)
    return "\n".join([*before, f"  {module} {item.name} (\n    {body}\n  );"]) + "\n"


def _connect(port: StreamPort, signal: str, data: str) -> str:
    return f".{port.tdata}({data}), .{port.tvalid}({signal}_tvalid), .{port.tready}({signal}_tready)"


def _output(i: int, pixels: int, classes: int, bits: int, signed: bool) -> str:
    return (
        f"  logit_output #(.LOGIT_BITS({bits}), .SIGNED({int(signed)}), .PIXELS({pixels}), .CLASSES({classes}))"
        " output_stage (\n"
        f"    .ap_clk(ap_clk), .ap_rst_n(ap_rst_n), .mask_mode(mask_mode),\n    {_bind('s_axis', f'c{i}')},\n"
        f"    {_bind('m_axis', 'm_axis')}, .m_axis_tlast(m_axis_tlast)\n  );\n"
    )
