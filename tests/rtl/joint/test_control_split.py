"""Two slaves behind control_split, reads and writes at once and back to back, under random stalls of all three."""

import ctypes
from pathlib import Path

import pytest

from hw_build.implement.synth.cells import utilization
from hw_build.implement.synth.yosys import synthesise
from hw_build.simulate.build import build_library
from hw_build.simulate.lint import RTL_DIR

BUILD_DIR = Path(__file__).resolve().parents[3] / "build" / "tests" / "rtl"
SOURCE = RTL_DIR / "joint" / "control_split.sv"
FAULTS = (
    "none", "a write was lost", "a slave got another write", "wrong write response", "wrong read data",
    "a channel changed before its ready", "a slave got the other's address", "no answer",
)  # fmt: skip
BURSTS = 2000
# port -> bits, from the master's side of a channel; the fields are those of axi_pkg
ADDRESS = {"valid": 1, "id": 16, "addr": 32, "len": 8}
DATA = {"valid": 1, "id": 16, "data": 32, "last": 1}
READ, RESPONSE = DATA | {"resp": 2}, {"valid": 1, "id": 16, "resp": 2}
REQUEST = {"aw": ADDRESS, "w": DATA, "ar": ADDRESS}
REPLY = {"b": RESPONSE, "r": READ}


def sim_top() -> str:
    """The module with the fields of its structs as ports: ``s_`` the master's, ``m0_`` and ``m1_`` the slaves'."""
    ports, body = ["input wire logic clk", "input wire logic rst_n"], []
    for prefix, request, reply in (("s", "s", "s_reply"), ("m0", "m0", "m0_reply"), ("m1", "m1", "m1_reply")):
        to_module, from_module = ("input wire", "output"), ("output", "input wire")
        inward, outward = to_module if prefix == "s" else from_module
        for channels, struct, way in ((REQUEST, request, inward), (REPLY, reply, outward)):
            for channel, fields in channels.items():
                for field, bits in fields.items():
                    name = f"{prefix}_{channel}_{field}"
                    ports.append(f"{way} logic [{bits - 1}:0] {name}")
                    member = f"{struct}.{channel}.{field}"
                    body.append(f"assign {member} = {name};" if way == "input wire" else f"assign {name} = {member};")
        answers = [(name, reply, outward) for name in ("aw_ready", "w_ready", "ar_ready")]
        for name, struct, way in (*answers, ("b_ready", request, inward), ("r_ready", request, inward)):
            ports.append(f"{way} logic {prefix}_{name}")
            pair = (f"{struct}.{name}", f"{prefix}_{name}")
            body.append("assign {} = {};".format(*(pair if way == "input wire" else pair[::-1])))
    structs = "axi_pkg::request_t s, m0, m1; axi_pkg::reply_t s_reply, m0_reply, m1_reply;"
    return f"""module sim_top (
  {", ".join(ports)}
);
  {structs}
  {" ".join(body)}
  control_split dut (
    .ap_clk(clk), .ap_rst_n(rst_n), .s_axi(s), .s_axi_reply(s_reply), .m_first(m0), .m_first_reply(m0_reply),
    .m_second(m1), .m_second_reply(m1_reply)
  );
endmodule
"""


def run(source, seed, stall):
    """(what went wrong, cycles in which a read and a write were under way at once)."""
    library = build_library(
        "control_split", [RTL_DIR / "shell" / "axi_pkg.sv", source], BUILD_DIR,
        driver=Path(__file__).with_name("control_split.cpp"), generated={"sim_top.sv": sim_top()},
    )  # fmt: skip
    overlaps = ctypes.c_int(0)
    call = ctypes.CDLL(str(library)).split_run
    call.argtypes = [ctypes.c_uint64, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
    return FAULTS[call(seed, BURSTS, stall, overlaps)], overlaps.value


@pytest.mark.parametrize("stall", [0, 40, 80])
def test_every_burst_reaches_its_slave_and_its_answer_the_master(stall):
    for seed in range(3):
        fault, overlaps = run(SOURCE, seed, stall)
        assert fault == "none", f"seed {seed}"
        assert overlaps > BURSTS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if (s_axi.aw.valid && s_axi_reply.aw_ready) write_second_q <= aw_second;", "write_second_q <= aw_second;"),
        ("s_axi.ar.valid && !reading_q && ar_second", "s_axi.ar.valid && !reading_q"),
    ],
)
def test_a_wrong_splitter_is_found(tmp_path, old, new):
    wrong = tmp_path / SOURCE.name
    text = SOURCE.read_text()
    assert old in text
    wrong.write_text(text.replace(old, new))
    assert any(run(wrong, seed, 40)[0] != "none" for seed in range(3))


def test_what_it_takes():
    cells = synthesise("control_split", [RTL_DIR / "shell" / "axi_pkg.sv", SOURCE])
    assert (utilization(cells).luts, utilization(cells).ffs) == (128, 4)
