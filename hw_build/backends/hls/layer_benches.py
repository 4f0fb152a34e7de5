"""What Vitis HLS needs to cosimulate one layer: a testbench with the layer's golden beats, and a script.

The beats are what all streams of the layer carried in the C simulation of one frame. Written into the layer's folder,
beside FINN's C++ of it; g++ runs the same testbench against our stand-in headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.backends.hls.network import MEMORY, Memory, Network, Process
from hw_build.backends.hls.vitis import GOLDEN, TESTBENCH, script_text, words_of
from hw_build.base.errors import ConfigError
from hw_build.base.step_engine import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

SCRIPT = "cosim.tcl"
ALL = "all"


def check_names(network: Network, names: tuple[str, ...]) -> tuple[Process, ...]:
    """The layers in C++ by FINN or by us that ``names`` says, `ALL` of them where it does.

    Raises:
        ConfigError: there is no such layer, or it is RTL in FINN's build.
    """
    layers = {process.layer: process for process in network.processes if process.layer in network.tops}
    if unknown := [name for name in names if name not in (ALL, *layers)]:
        kinds = ", ".join(sorted({name.rsplit("_", 1)[0] for name in layers}))
        raise ConfigError(
            f"--testbench {unknown[0]}: this accelerator has no such layer in HLS; give {ALL}, or one of {kinds} with "
            "its number, as the folders in hls/ are named"
        )
    return tuple(layers.values() if ALL in names else (layers[name] for name in dict.fromkeys(names)))


def write_layer_bench(
    network: Network, layer: Process, given: dict[str, np.ndarray], folder: Path, *, part: str, clk_period_ns: float
) -> None:
    """Adds testbench, golden beats and script to ``folder`` of ``layer``.

    ``given``: stream -> integers (frames, beats, elements), of which the first frame is taken.
    """
    streams = [*layer.reads, *layer.writes]
    golden = [word for stream in streams for word in words_of(stream.beats, given[stream.name][:1])]
    files = (GOLDEN, MEMORY) if layer.layer in network.memories else (GOLDEN,)
    script = script_text(
        top=layer.layer, source=f"top_{layer.layer}.cpp", golden=files, part=part, clk_period_ns=clk_period_ns
    )
    texts = {
        SCRIPT: script,
        TESTBENCH: bench_text(layer, network.memories.get(layer.layer), network.tops[layer.layer]),
        GOLDEN: "\n".join(golden) + "\n",
    }
    for name, text in texts.items():
        write_atomically(folder / name, text.encode())


def bench_text(layer: Process, memory: Memory | None, calls: int) -> str:
    """Feeds one frame to the top function of ``layer``, and compares what leaves; status 1 where a beat differs."""
    ports = [(f"in{number}", stream) for number, stream in enumerate(layer.reads)]
    results = [(f"out{number}", stream) for number, stream in enumerate(layer.writes)]
    types = [stream.beats.text for _, stream in ports]
    names = [name for name, _ in ports]
    filled = [f"    fill({name}, {stream.beats.count}, golden);" for name, stream in ports]
    if memory is not None:
        types.append(f"ap_uint<{memory.bits}>")
        names.append("words")
        filled.append(f"    repeat(words, {memory.repeats});")
    declared = [*zip(types, names, strict=True), *((stream.beats.text, name) for name, stream in results)]
    arguments = ", ".join(name for _, name in declared)
    total = sum(stream.beats.count for _, stream in results)
    return _TESTBENCH.format(
        layer=layer.layer, golden=GOLDEN, memory=MEMORY, calls=calls, total=total, arguments=arguments,
        widest=max(64, 0 if memory is None else memory.bits, *(stream.beats.bits for _, stream in (*ports, *results))),
        parameters=", ".join(f"hls::stream<{kind}> &{name}" for kind, name in declared),
        streams="\n".join(f'    hls::stream<{kind}> {name}("{name}");' for kind, name in declared),
        filled="\n".join(filled),
        compared="\n".join(f"    differing += compare({name}, {s.beats.count}, golden);" for name, s in results),
    )  # fmt: skip


_TESTBENCH = """\
// Golden beats of one frame through {layer}: C simulation, and cosimulation of what Vitis HLS makes of it.
#define AP_INT_MAX_W {widest}
#include <ap_int.h>
#include <hls_stream.h>
#include <hls_vector.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

void {layer}({parameters});

template <int WIDTH>
void set_beat(ap_uint<WIDTH> &beat, const std::string &word) {{
    beat = ap_uint<WIDTH>(word.c_str(), 16);
}}
template <typename T, std::size_t N>
void set_beat(hls::vector<T, N> &beat, const std::string &word) {{
    const ap_uint<N * T::width> packed(word.c_str(), 16);
    for (std::size_t i = 0; i < N; i++)
        beat[i].range(T::width - 1, 0) = packed.range((i + 1) * T::width - 1, i * T::width);
}}
template <int WIDTH>
bool same(const ap_uint<WIDTH> &a, const ap_uint<WIDTH> &b) {{
    return a == b;
}}
template <typename T, std::size_t N>
bool same(const hls::vector<T, N> &a, const hls::vector<T, N> &b) {{
    for (std::size_t i = 0; i < N; i++)
        if (a[i] != b[i]) return false;
    return true;
}}

template <typename BEAT>
BEAT next_beat(std::istream &golden) {{
    std::string word;
    if (!(golden >> word)) {{
        std::cerr << "{golden} is missing or too short\\n";
        std::exit(2);
    }}
    BEAT beat;
    set_beat(beat, word);
    return beat;
}}
template <typename BEAT>
void fill(hls::stream<BEAT> &stream, int beats, std::istream &golden) {{
    for (int i = 0; i < beats; i++) stream.write(next_beat<BEAT>(golden));
}}
template <typename BEAT>
int compare(hls::stream<BEAT> &stream, int beats, std::istream &golden) {{
    int differing = 0;
    for (int i = 0; i < beats; i++) differing += !same(stream.read(), next_beat<BEAT>(golden));
    return differing;
}}
// The constants of the layer, over and over: FINN keeps them in a memory beside it.
template <int WIDTH>
void repeat(hls::stream<ap_uint<WIDTH>> &stream, int repeats) {{
    std::ifstream file("{memory}");
    std::vector<ap_uint<WIDTH>> words;
    for (std::string word; file >> word;) words.push_back(ap_uint<WIDTH>(("0x" + word).c_str(), 16));
    for (int i = 0; i < repeats; i++)
        for (const ap_uint<WIDTH> &word : words) stream.write(word);
}}

int main() {{
    std::ifstream golden("{golden}");
{streams}
{filled}
    int differing = 0;
    for (int call = 0; call < {calls}; call++) {layer}({arguments});
{compared}
    std::cout << differing << " of {total} beats differ\\n";
    return differing != 0;
}}
"""
