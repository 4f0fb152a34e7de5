"""The program around the network's functions that the C simulation runs: frames in, a file of beats a stream out."""

from __future__ import annotations

from hw_build.backends.hls.network import SHALLOW, TOP, Network, Process
from hw_build.backends.hls.program import HEADER

DEPTHS = "depths"  # file of the FIFO depths that the mode `sized` found


def main_text(network: Network) -> str:
    """The program around the network: reads frames from its input, writes a file a stream."""
    streams = [network.source, *network.streams, network.sink]
    declared = "".join(f'    hls::stream<{s.beats.text}> {s.name}("{s.name}");\n' for s in streams)
    calls = []
    for process in network.processes:
        calls.append(f"        {process.call}({_names(process)});")
        calls += [f"        record({stream.name}, folder, {_quoted(stream.name)});" for stream in process.writes]
        calls += [f"        finish({stream.name}, {_quoted(stream.name)});" for stream in process.reads]
    source, sink = network.source, network.sink
    capacities = [f"    {stream.name}.fifo.capacity = {SHALLOW};" for stream in network.streams]
    functions = [
        f"    dataflow.add([&] {{ for (int frame = 0; frame < frames; frame++) {process.call}({_names(process)}); }});"
        for process in network.processes
    ]
    depths = [f'    fprintf(file, "{stream.name} %zu\\n", {stream.name}.fifo.capacity);' for stream in network.streams]
    ends = "".join(f'    hls::stream<{end.beats.text}> {end.name}("{end.name}");\n' for end in (source, sink))
    return _MAIN_TEXT.format(
        header=HEADER, top=TOP, declared=declared, calls="\n".join(calls), ends=ends, source=source.name,
        sink=sink.name, beats=source.beats.count, capacities="\n".join(capacities), functions="\n".join(functions),
        depths="\n".join(depths), depths_file=DEPTHS,
        finished="\n".join(f"    finish({stream.name}, {_quoted(stream.name)});" for stream in network.streams),
    )  # fmt: skip


def _names(process: Process) -> str:
    return ", ".join(stream.name for stream in (*process.reads, *process.writes))


def _quoted(text: str) -> str:
    return f'"{text}"'


_MAIN_TEXT = """\
#include "{header}"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

template <int WIDTH>
std::vector<unsigned char> bytes_of(const ap_uint<WIDTH> &beat) {{
    std::vector<unsigned char> bytes((WIDTH + 7) / 8);
    for (int i = 0; i < int(bytes.size()); i++)
        bytes[i] = beat.range(8 * i + 7 < WIDTH ? 8 * i + 7 : WIDTH - 1, 8 * i).to_uint64();
    return bytes;
}}
template <typename T, std::size_t N>
std::vector<unsigned char> bytes_of(const hls::vector<T, N> &beat) {{
    ap_uint<N * T::width> packed = 0;
    for (std::size_t i = 0; i < N; i++)
        packed.range((i + 1) * T::width - 1, i * T::width) = beat[i].range(T::width - 1, 0);
    return bytes_of(packed);
}}

// What a stream holds, added to its file; it holds the same afterwards.
template <typename BEAT>
void record(hls::stream<BEAT> &stream, const std::string &folder, const char *name) {{
    std::vector<BEAT> beats;
    while (!stream.empty()) beats.push_back(stream.read());
    FILE *file = fopen((folder + "/" + name).c_str(), "ab");
    bool written = file != nullptr;
    for (const BEAT &beat : beats) {{
        const std::vector<unsigned char> bytes = bytes_of(beat);
        written = written && fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
        stream.write(beat);
    }}
    if (written && fclose(file) == 0) return;
    fprintf(stderr, "stream %s cannot be written to %s (%s): free space, or set TMPDIR\\n", name, folder.c_str(),
            strerror(errno));
    exit(1);
}}
template <typename BEAT>
void finish(hls::stream<BEAT> &stream, const char *name) {{
    if (stream.empty()) return;
    fprintf(stderr, "stream %s is not read to its end\\n", name);
    exit(1);
}}
template <int WIDTH>
void load(hls::stream<ap_uint<WIDTH>> &stream) {{
    for (int i = 0; i < {beats}; i++) {{
        ap_uint<WIDTH> beat = 0;
        for (int bit = 0; bit < WIDTH; bit += 8)
            beat.range(bit + 7 < WIDTH ? bit + 7 : WIDTH - 1, bit) = ap_uint<8>(getchar());
        stream.write(beat);
    }}
}}

void run_whole(int frames, const std::string &folder) {{
{ends}    for (int frame = 0; frame < frames; frame++) load({source});
    for (int frame = 0; frame < frames; frame++) {top}({source}, {sink});
    finish({source}, "{source}");
    record({sink}, folder, "{sink}");
    while (!{sink}.empty()) {sink}.read();
}}

void run_layers(int frames, const std::string &folder) {{
{declared}    for (int frame = 0; frame < frames; frame++) {{
        load({source});
        record({source}, folder, "{source}");
{calls}
        while (!{sink}.empty()) {sink}.read();
    }}
}}

#ifdef EDGESEG_CSIM_HLS_STREAM_H
void run_sized(int frames, const std::string &folder) {{
{declared}{capacities}
    for (int frame = 0; frame < frames; frame++) load({source});
    edgeseg_csim::Dataflow dataflow;
{functions}
    dataflow.run();
    finish({source}, "{source}");
{finished}
    record({sink}, folder, "{sink}");
    FILE *file = fopen((folder + "/{depths_file}").c_str(), "w");
{depths}
    fclose(file);
}}
#endif

int main(int, char **arguments) {{
    const int frames = atoi(arguments[2]);
    const std::string mode = arguments[1];
    if (mode == "layers") run_layers(frames, arguments[3]);
    if (mode == "whole") run_whole(frames, arguments[3]);
#ifdef EDGESEG_CSIM_HLS_STREAM_H
    if (mode == "sized") run_sized(frames, arguments[3]);
#endif
}}
"""
