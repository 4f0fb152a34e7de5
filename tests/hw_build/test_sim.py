"""The simulation harness: data under stalls, protocol checks, watchdog, cache, error sentences."""

from pathlib import Path

import numpy as np
import pytest

from hw_build.base.errors import BuildError
from hw_build.kernels.base import StreamPort
from hw_build.simulate import DeadlockError, LastStreamPort, ProbePort, SimulationError, build, toolchain

FIFO = Path(__file__).parents[2] / "hw_build" / "rtl" / "stream" / "stream_fifo.sv"


def port(prefix, width):
    return StreamPort(
        tdata=f"{prefix}_axis_tdata", tvalid=f"{prefix}_axis_tvalid", tready=f"{prefix}_axis_tready",
        width_bits=width, payload_bits=width, element_bits=width,
    )  # fmt: skip


@pytest.fixture(scope="session")
def build_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("sim")


def fifo(build_dir, width, depth):
    parameters = {"WIDTH": str(width), "DEPTH": str(depth)}
    return build(
        "stream_fifo", [FIFO], build_dir, parameters=parameters, inputs=[port("s", width)], outputs=[port("m", width)]
    )


def beats(width, count, seed=0):
    data = np.random.default_rng(seed).integers(0, 256, size=(count, (width + 7) // 8), dtype=np.uint8)
    data[:, -1] &= 0xFF >> (-width % 8)
    return data


@pytest.mark.parametrize(("width", "depth"), [(5, 2), (5, 3), (24, 4), (24, 7), (64, 32), (2051, 33)])
def test_fifo_keeps_order_under_stalls(build_dir, width, depth):
    simulator = fifo(build_dir, width, depth)
    data = beats(width, 500)
    for idle, stall in [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.7, 0.3), (0.1, 0.9)]:
        result = simulator.run([data], [500], idle=idle, stall=stall, seed=3)
        assert np.array_equal(result.outputs[0], data)
        assert (np.diff(result.output_cycles[0].astype(int)) >= 1).all()


@pytest.mark.parametrize(("width", "depth", "latency"), [(5, 2, 1), (5, 3, 1), (24, 7, 2)])
def test_fifo_has_full_throughput(build_dir, width, depth, latency):
    result = fifo(build_dir, width, depth).run([beats(width, 500)], [500])
    assert (np.diff(result.input_cycles[0].astype(int)) == 1).all()
    assert (result.output_cycles[0] - result.input_cycles[0] == latency).all()


@pytest.mark.parametrize("depth", [2, 3, 4, 33])
def test_fifo_holds_depth_beats(build_dir, depth):
    with pytest.raises(
        DeadlockError, match=rf"input s_axis_tdata took {depth} of 60 beats, output m_axis_tdata gave 0 of 60"
    ):
        fifo(build_dir, 24, depth).run([beats(24, 60)], [60], stall=0.9999999, max_idle_cycles=200)


def test_source_is_throttled(build_dir):
    result = fifo(build_dir, 24, 7).run([beats(24, 40)], [40], cycles_per_beat=[12.5])
    assert result.input_cycles[0][-1] == int(np.ceil(39 * 12.5))


def test_same_seed_same_cycles(build_dir):
    simulator = fifo(build_dir, 24, 7)
    runs = [simulator.run([beats(24, 100)], [100], idle=0.5, stall=0.5, seed=s) for s in (1, 1, 2)]
    assert np.array_equal(runs[0].output_cycles[0], runs[1].output_cycles[0])
    assert not np.array_equal(runs[0].output_cycles[0], runs[2].output_cycles[0])


def test_watchdog_names_streams_that_stand_still(build_dir):
    match = r"stream_fifo: deadlock, no stream moved for 100 cycles .*: output m_axis_tdata gave 10 of 12 beats"
    with pytest.raises(DeadlockError, match=match):
        fifo(build_dir, 24, 7).run([beats(24, 10)], [12], max_idle_cycles=100)


def test_more_beats_than_expected_are_refused(build_dir):
    with pytest.raises(SimulationError, match="output stream 0 delivers more than the 9 beats expected"):
        fifo(build_dir, 24, 7).run([beats(24, 10)], [9])


def test_progress_is_reported_and_can_interrupt(build_dir):
    def interrupt(progress):
        assert progress.beats_in[0] > 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fifo(build_dir, 24, 7).run([beats(24, 20000)], [20000], progress=interrupt)


def test_second_build_comes_from_the_cache(build_dir, monkeypatch):
    fifo(build_dir, 24, 7)
    monkeypatch.setattr(toolchain, "verilate", None)
    fifo(build_dir, 24, 7)


def rtl(tmp_path, body, extra_ports=""):
    path = tmp_path / "dut.sv"
    path.write_text(
        "module dut(input logic ap_clk, input logic ap_rst_n, input logic [7:0] s_axis_tdata,"
        " input logic s_axis_tvalid,"
        " output logic s_axis_tready, output logic [7:0] m_axis_tdata, output logic m_axis_tvalid,"
        f" input logic m_axis_tready{extra_ports});\n{body}\nendmodule\n"
    )
    return path


PASS = "assign s_axis_tready = m_axis_tready; assign m_axis_tvalid = s_axis_tvalid; "


def dut(tmp_path, build_dir, body, **options):
    path = rtl(tmp_path, body, options.pop("extra_ports", ""))
    outputs = options.pop("outputs", [port("m", 8)])
    return build("dut", [path], build_dir, inputs=[port("s", 8)], outputs=outputs, **options)


def test_changing_data_under_back_pressure_is_refused(tmp_path, build_dir):
    body = PASS + "logic [7:0] n_q = 0; always_ff @(posedge ap_clk) n_q <= n_q + 1'b1; assign m_axis_tdata = n_q;"
    with pytest.raises(SimulationError, match="output stream 0 changed TDATA or TLAST while it waited for TREADY"):
        dut(tmp_path, build_dir, body).run([beats(8, 50)], [50], stall=0.5)


def test_dropped_valid_is_refused(tmp_path, build_dir):
    body = (
        "logic on_q = 0; always_ff @(posedge ap_clk) on_q <= !on_q; assign m_axis_tdata = s_axis_tdata;"
        "assign m_axis_tvalid = s_axis_tvalid && on_q; assign s_axis_tready = m_axis_tready && on_q;"
    )
    with pytest.raises(SimulationError, match="output stream 0 dropped TVALID before TREADY"):
        dut(tmp_path, build_dir, body).run([beats(8, 50)], [50], stall=0.5)


def test_pins_probe_and_tlast(tmp_path, build_dir):
    body = PASS + (
        "assign m_axis_tdata = s_axis_tdata ^ {8{flip}}; assign m_axis_tlast = s_axis_tdata[0];"
        "always_ff @(posedge gauge_clk) gauge_data <= 32'(gauge_addr) * 3;"
    )
    ports = (
        ", input logic flip, output logic m_axis_tlast, input logic gauge_clk, input logic [15:0] gauge_addr,"
        " output logic [31:0] gauge_data"
    )
    last = LastStreamPort(**vars(port("m", 8)), tlast="m_axis_tlast")
    simulator = dut(tmp_path, build_dir, body, extra_ports=ports, outputs=[last], pins={"flip": 1}, probe=ProbePort())
    data = beats(8, 20)
    result = simulator.run([data], [20], pins={"flip": 1}, probe_count=4)
    assert np.array_equal(result.outputs[0], data ^ 0xFF)
    assert np.array_equal(result.output_lasts[0], data[:, 0] & 1)
    assert result.probes == [0, 3, 6, 9]
    with pytest.raises(ValueError, match="unknown pins"):
        simulator.run([data], [20], pins={"flop": 1})


def test_fatal_and_printed_text_reach_the_error(tmp_path, build_dir):
    body = PASS + (
        "assign m_axis_tdata = s_axis_tdata; always_ff @(posedge ap_clk) if (s_axis_tvalid && s_axis_tdata == 7)"
        ' $fatal(1, "seven came");'
    )
    with pytest.raises(SimulationError, match=r"(?s)dut: .*seven came"):
        dut(tmp_path, build_dir, body).run([np.full((3, 1), 7, np.uint8)], [3])


def test_syntax_error_is_one_sentence(tmp_path, build_dir):
    with pytest.raises(BuildError, match=r"Verilator failed: %Error.*dut\.sv:2"):
        dut(tmp_path, build_dir, "assign = 3;")


def test_what_a_tool_repeats_of_a_constant_is_cut(tmp_path, build_dir):
    with pytest.raises(BuildError, match=r"Verilator failed: %Error") as refused:
        dut(tmp_path, build_dir, f"assign = 90000'h{'a5' * 11_000};")
    assert len(str(refused.value)) < 500


def test_constants_may_be_wider_than_verilator_takes_by_itself(tmp_path, build_dir):
    bits = np.random.default_rng(3).integers(0, 2, 100_000)  # weights of a layer: 3x3, 128 to 22 channels, 4 bits
    literal = f"100000'h{int(''.join(map(str, bits[::-1])), 2):x}"
    body = PASS + f"localparam bit [99999:0] BITS = {literal}; assign m_axis_tdata = BITS[99999-:8];"
    found = dut(tmp_path, build_dir, body).run([np.zeros((1, 1), np.uint8)], [1])
    assert found.outputs[0][0, 0] == np.packbits(bits[-8:], bitorder="little")[0]


def test_precompiled_header_changes_no_object(tmp_path):
    source = tmp_path / "size.cpp"
    source.write_text("size_t size(const VerilatedContext&) { return std::string{VL_STRINGIFY(VL_PRINTF)}.size(); }\n")
    header = toolchain.common_header("-O1")
    assert header.with_name(f"{header.name}.gch").stat().st_size > 1_000_000
    for name, first in (("plain.o", None), ("precompiled.o", header)):
        toolchain.compile_object(source, tmp_path / name, "-O1", first)
    assert (tmp_path / "plain.o").read_bytes() == (tmp_path / "precompiled.o").read_bytes()


def test_missing_source_is_named(build_dir):
    with pytest.raises(BuildError, match="RTL source .*absent.sv does not exist"):
        build("dut", [Path("absent.sv")], build_dir, inputs=[], outputs=[])


def test_missing_compiler_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    toolchain.compiler.cache_clear()
    with pytest.raises(BuildError, match=r"g\+\+ is not on PATH"):
        toolchain.compiler()


def test_unwritable_build_directory_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(BuildError, match="build directory .* cannot be written"):
        fifo(blocked / "sim", 8, 4)


def test_a_tool_that_prints_other_bytes_than_utf8_still_gets_its_sentence(tmp_path):
    tool = tmp_path / "broken-compiler"
    tool.write_bytes(b"#!/bin/sh\nprintf 'x.cpp:1: error: stray \\377 in program\\n' >&2\nexit 1\n")
    tool.chmod(0o755)
    with pytest.raises(BuildError, match=r"broken-compiler failed: x\.cpp:1: error: stray \ufffd in program"):
        toolchain._run([str(tool)], tmp_path)
