"""The files of the program that `network` describes: a header, a source for each layer, and the dataflow function."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from hw_build.backends.hls.network import LIBRARY, TOP, Layer, Network
from hw_build.base.step_engine import fresh_folder

if TYPE_CHECKING:
    from pathlib import Path

HEADER, SOURCE = "network.hpp", "network.cpp"
_DEFINE = re.compile(r"^\s*#define\s+(\w+)", re.MULTILINE)


def write_program(network: Network, folder: Path) -> None:
    """Writes ``folder``: ``network.hpp``, ``network.cpp`` with the function `TOP`, ``NODE.cpp`` and our headers."""
    with fresh_folder(folder) as partial:
        for path in sorted(LIBRARY.iterdir()):
            shutil.copyfile(path, partial / path.name)
        (partial / HEADER).write_text(header_text(network))
        for layer in network.layers:
            (partial / f"{layer.name}.cpp").write_text(layer_text(layer))
        (partial / SOURCE).write_text(source_text(network))


def header_text(network: Network) -> str:
    """What every source needs: the libraries, and a declaration of each layer's frame."""
    includes = [*network.includes, *sorted(path.name for path in LIBRARY.iterdir())]
    lines = [
        "// All layers of the network: NODE::frame computes one frame of a layer.",
        "#ifndef EDGESEG_NETWORK_HPP",
        "#define EDGESEG_NETWORK_HPP",
        "",
        "#define HLS_CONSTEXPR_ENABLE",
        f"#define AP_INT_MAX_W {network.widest}",
        *(f'#include "{name}"' for name in includes),
        "",
        *(f"namespace {layer.name} {{ {layer.declaration}; }}" for layer in network.layers),
        f"{top_declaration(network)};",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def layer_text(layer: Layer) -> str:
    """A source of one layer; its macros end with it, so that sources can follow each other in one translation unit."""
    macros = dict.fromkeys(_DEFINE.findall(layer.text))
    lines = [
        f'#include "{HEADER}"',
        f"namespace {layer.name} {{",
        layer.text,
        "}",
        *(f"#undef {macro}" for macro in macros),
    ]
    return "\n".join(lines) + "\n"


def source_text(network: Network) -> str:
    """All layers and the dataflow function that joins them."""
    streams = network.streams
    lines = [
        "// The accelerator: a frame of pixels in, a frame of logits out. Free-running, AXI-Stream at both ends.",
        f'#include "{HEADER}"',
        "#ifndef EDGESEG_LAYERS_ELSEWHERE",
        *(f'#include "{layer.name}.cpp"' for layer in network.layers),
        "#endif",
        "",
        f"{top_declaration(network)} {{",
        f"#pragma HLS INTERFACE axis port={network.source.name}",
        f"#pragma HLS INTERFACE axis port={network.sink.name}",
        "#pragma HLS INTERFACE ap_ctrl_none port=return",
        "#pragma HLS dataflow",
    ]
    for stream in streams:
        lines.append(f'    hls::stream<{stream.beats.text}> {stream.name}("{stream.name}");')
        lines.append(f"#pragma HLS STREAM variable={stream.name} depth={stream.depth}")
    for process in network.processes:
        names = ", ".join(stream.name for stream in (*process.reads, *process.writes))
        lines.append(f"    {process.call}({names});")
    return "\n".join([*lines, "}"]) + "\n"


def top_declaration(network: Network) -> str:
    """The dataflow function, as C++ declares it."""
    ports = ", ".join(f"hls::stream<{end.beats.text}> &{end.name}" for end in (network.source, network.sink))
    return f"void {TOP}({ports})"
