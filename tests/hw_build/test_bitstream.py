"""From a build to scripts, constraints, netlist and bitstream; tools on PATH here are fakes, for errors and arguments.

A fake tool (``fake_...``) writes reports in the form of the real one. What it stands for was not run.
"""

import itertools
import json
import os
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import exports
import floorplans
import synthetic

from board.bitfile import read_header
from hw_build.base.board_config import board_names
from hw_build.base.errors import BuildError, MismatchError
from hw_build.cli import main as cli
from hw_build.commands import bitstream as command
from hw_build.implement.bitstream import openxc7, readback, vivado
from hw_build.implement.bitstream.binary import write_binary
from hw_build.implement.bitstream.constraints import clock_pin, reset_pin
from hw_build.implement.deploy.simulated import bit_container
from hw_build.implement.shell.generate import Shell
from hw_build.report.data import read_report
from hw_build.simulate.primitives import ports

TOOLS = ("vivado", *openxc7.NEXTPNR, *openxc7.XRAY_TOOLS, *readback.TOOLS)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """board -> build directory of a small network, as far as its shell; each is made once."""
    folder = tmp_path_factory.mktemp("bitstream")
    exports.write_export(folder / "export", synthetic.unet(16, 32, levels=0, dims=(2,), seed=4))
    done = {}

    def build(board):
        if board not in done:
            out = folder / board
            arguments = ["--export", str(folder / "export"), "--out", str(out), "--board", board]
            assert cli.main(["build", *arguments, "--stop-after", "shell"]) == 0
            done[board] = out
        return done[board]

    return build


@pytest.fixture(autouse=True)
def no_tools(monkeypatch, tmp_path):
    """PATH without place and route; returns a folder on it for fakes."""
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    kept = [d for d in os.environ["PATH"].split(":") if not any(Path(d, tool).exists() for tool in TOOLS)]
    monkeypatch.setenv("PATH", ":".join([str(fakes), *kept]))
    for name in (openxc7.CHIPDB, openxc7.XRAY):
        monkeypatch.delenv(name, raising=False)
    return fakes


def fake_tool(fakes, name, text):
    path = fakes / name
    path.write_text("#!/usr/bin/env bash\nset -eu\n" + text)
    path.chmod(0o755)


def bitstream(build_dir, *more):
    return cli.main(["bitstream", "--out", str(build_dir), *more])


def netlist_of(build_dir):
    return json.loads((build_dir / "netlist" / "netlist.json").read_text())["modules"]


def test_without_tools_all_before_them_is_made_and_named(built, capsys):
    folder = built("zybo-z7-20")
    assert bitstream(folder) == 3
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence.startswith("error: no bitstream was written: neither vivado")
    named = re.search(r"ready in '[^']*': ([^;]*);", sentence)[1].split(", ")
    netlist = "../netlist/netlist.json (not compared with golden data)"
    assert set(named) >= {"edgeseg.xdc", "vivado.tcl", "openxc7.sh", netlist, "edgeseg.hwh"}
    assert all((folder / "bitstream" / name.split(" ")[0]).stat().st_size for name in named)
    assert not (folder / "bitstream" / "edgeseg.bit").exists()


def test_netlist_is_one_module_of_known_cells_around_the_processing_system(built):
    assert bitstream(built("pynq-z2")) == 3
    modules = netlist_of(built("pynq-z2"))
    cells = modules["edgeseg_top"]["cells"].values()
    kinds = {cell["type"] for cell in cells}
    assert sum(cell["type"] == "PS7" for cell in cells) == 1
    assert kinds >= {"PS7", "BUFG", "LUT6", "FDRE"} and not kinds & {"$scopeinfo", "SRL16E"}
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", kind) for kind in kinds)  # nothing is left unmapped
    assert not modules["edgeseg_top"]["ports"]
    dsps = [cell["connections"] for cell in cells if cell["type"] == "DSP48E1"]
    luts = [cell["connections"] for cell in cells if cell["type"].startswith("LUT")]
    assert all(len({*itertools.chain(*pins.values())} - {"0", "1"}) == len(pins) or len(pins) == 2 for pins in luts)
    joined = {tuple(pins.get("ACOUT", ())) for pins in dsps} & {tuple(pins.get("ACIN", ())) for pins in dsps}
    assert len(dsps) > 1 and len(joined - {()}) == len(dsps) // 2  # two by two in a tile


# pins that take a clock, of the cells that have any; the processing system's are its ports'
CLOCK_PINS = {"C", "CLK", "WCLK", "CLKARDCLK", "CLKBWRCLK", "MAXIGP0ACLK", "SAXIHP0ACLK"}


def test_the_one_constrained_clock_is_every_clock_of_the_netlist(built):
    folder = built("pynq-z2")
    assert bitstream(folder) == 3
    top = netlist_of(folder)["edgeseg_top"]
    shell, cells = Shell.load(folder), top["cells"]

    def wire_of(pin):  # as the constraints name it: instances by /, a bit by []
        path, port, bit = re.fullmatch(r"(.*)/(\w+)\[(\d+)\]", pin).groups()
        return cells[path.replace("/", ".")]["connections"][port][int(bit)]

    (buffer,) = (cell["connections"] for cell in cells.values() if cell["type"] == "BUFG")
    assert buffer["I"] == [wire_of(clock_pin(shell))]
    clocks = {
        bit for cell in cells.values() for pin, bits in cell["connections"].items() if pin in CLOCK_PINS for bit in bits
    }
    assert clocks - {"0", "1", "x"} == set(buffer["O"])
    # what the false path leaves out ends in asynchronous resets, and nowhere else
    reset = {wire_of(reset_pin(shell))}
    for _ in range(2):  # through an inverter
        readers = [
            (cell, pin)
            for cell in cells.values()
            for pin, bits in cell["connections"].items()
            if cell["port_directions"][pin] == "input" and reset & set(bits)
        ]
        reset |= {bit for cell, _ in readers if cell["type"] in ("INV", "LUT1") for bit in cell["connections"]["O"]}
    assert {pin for cell, pin in readers if cell["type"] not in ("INV", "LUT1")} <= {"CLR", "PRE"}
    resets = {cell["type"] for cell, _ in readers} & {"FDCE", "FDPE"}
    assert resets and {cell["type"] for cell in cells.values()} & {"FDCE", "FDPE"} == resets


@pytest.mark.parametrize("board", board_names())
def test_scripts_name_files_and_pins_that_exist(built, board):
    folder = built(board) / "bitstream"
    assert bitstream(built(board), "--toolchain", "vivado") == 3
    script = (folder / "vivado.tcl").read_text()
    files = re.findall(r"^(?:read_verilog -sv|read_xdc) \[file join \$here (\S+)\]$", script, re.MULTILINE)
    assert len(files) > 20 and all((folder / name).is_file() for name in files)
    shell = Shell.load(built(board))
    assert f"-part {shell.part}" in script and f"-top {shell.top}" in script
    texts = {Path(name).name: (folder / name).read_text() for name in files}
    assert f"module {shell.top}" in texts["edgeseg_top.sv"]
    constraints = texts["edgeseg.xdc"]
    pins = re.findall(r"get_pins \{ps/ps/(\w+)\[(\d+)\]\}", constraints)
    (primitive,) = re.findall(r"^  (PS[78]) ps \($", texts["zynq7000_ps.sv" if "7z" in shell.part else "zynqmp_ps.sv"],
                              re.MULTILINE)  # fmt: skip
    declared = ports(primitive)
    assert [pin for pin, _ in pins] == [clock_pin(shell).split("/")[-1].split("[")[0],
                                        reset_pin(shell).split("/")[-1].split("[")[0]]  # fmt: skip
    assert all(declared[pin][0] == "output" and int(bit) < declared[pin][1] for pin, bit in pins)
    assert constraints.count("create_clock") == 1 and constraints.count("set_false_path") == 1
    assert float(re.search(r"-period ([\d.]+)", constraints)[1]) == pytest.approx(1000 / shell.fabric_mhz, abs=1e-3)


def test_unknown_toolchain_and_one_that_does_not_know_the_part(built, capsys):
    assert bitstream(built("pynq-z2"), "--toolchain", "quartus") == 2
    assert "unknown toolchain 'quartus'; known: vivado, openxc7" in capsys.readouterr().err
    assert bitstream(built("kv260"), "--toolchain", "openxc7") == 2
    assert "the open flow knows no zynq-ultrascale" in capsys.readouterr().err


def test_open_flow_names_all_that_it_lacks(built, capsys, no_tools, monkeypatch):
    fake_tool(no_tools, "nextpnr-xilinx", "exit 1")
    monkeypatch.setenv(openxc7.CHIPDB, "/nowhere.bin")
    assert bitstream(built("pynq-z2"), "--toolchain", "openxc7") == 3
    sentence = capsys.readouterr().err
    assert "nextpnr-xilinx is not" not in sentence and "EDGESEG_CHIPDB=/nowhere.bin is not there" in sentence
    assert all(name in sentence for name in (*openxc7.XRAY_TOOLS, "PRJXRAY_DB_DIR is not set"))


def test_missing_build_and_changed_source_are_refused(built, tmp_path, capsys):
    assert bitstream(tmp_path / "nothing") == 2
    assert "error: " in capsys.readouterr().err
    source = built("pynq-z1") / "rtl" / "top.sv"
    text = source.read_text()
    source.write_text(text + "// changed\n")
    assert bitstream(built("pynq-z1")) == 2
    assert "is not the file that was stitched and simulated" in capsys.readouterr().err
    source.write_text(text)


VIVADO_REPORT = """
| Site Type              |  Used | Fixed | Available | Util% |
| Slice LUTs*            | 30000 |     0 |     53200 | 56.39 |
| Slice Registers        | 25000 |     0 |    106400 | 23.50 |
| Block RAM Tile         | 121.5 |     0 |       140 | 86.79 |
| DSPs                   |   220 |     0 |       220 | 100.0 |
"""


def fake_vivado(fakes, slack, status=0):
    bit = fakes / "made.bit"
    bit.write_bytes(bit_container("edgeseg_top", "7z020clg400", bytes(range(64))))
    fake_tool(
        fakes,
        "vivado",
        f'[ "$*" = "-mode batch -nojournal -log vivado.log -source vivado.tcl" ]\n'
        f'printf "setup_slack_ns {slack}\\nhold_slack_ns 0.05\\n" >timing.txt\n'
        f"cat >utilization.rpt <<'END'{VIVADO_REPORT}END\n"
        f"[ {status} = 0 ] || {{ echo 'ERROR: [Place 30-1] no room'; exit {status}; }}\n"
        f"cp '{bit}' edgeseg.bit\n",
    )


def test_result_of_vivado_comes_into_the_report(built, no_tools):
    folder = built("zybo-z7-20")
    fake_vivado(no_tools, 1.0)
    assert bitstream(folder) == 0
    assert read_header(folder / "bitstream" / "edgeseg.bit")["length"] == 64
    assert (folder / "bitstream" / "edgeseg.bin").read_bytes()[:8] == bytes([3, 2, 1, 0, 7, 6, 5, 4])
    report = read_report(folder / "report.json")
    assert report.totals.fmax_mhz == pytest.approx(1000 / 9, abs=0.01)
    assert report.implementation.bram36 == 121.5 and report.implementation.luts == 30_000
    assert report.implementation.read_back == "not read back: Vivado writes no FASM"
    assert report.implementation.routed_netlist == "not simulated: Vivado writes its own"
    assert "Placed and routed" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("slack", "status", "sentence"),
    [
        (-0.5, vivado.TIMING_NOT_MET, "the clock is not met"),
        (1.0, 1, "vivado ended with status 1: ERROR: [Place 30-1] no room; see"),
        (-0.5, 0, "routed for 95.2 MHz, the board's clock is 100 MHz"),
    ],
)
def test_failed_run_leaves_no_bitstream(built, no_tools, capsys, slack, status, sentence):
    folder = built("zybo-z7-20")
    fake_vivado(no_tools, slack, status)
    assert bitstream(folder, "--toolchain", "vivado") == 2
    assert sentence in capsys.readouterr().err
    assert not (folder / "bitstream" / "edgeseg.bit").exists() and not (folder / "bitstream" / "edgeseg.bin").exists()


NEXTPNR_LOG = """\
Info: Device utilisation:
Info: \t          SLICE_LUTX: 31000/106400    29%
Info: \t           SLICE_FFX: 24000/106400    22%
Info: \t            RAMB18E1:    30/  280    10%
Info: \t            RAMB36E1:   100/  140    71%
Info: \t             DSP48E1:   220/  220   100%
Info: Max frequency for clock               'clk': 80.00 MHz (FAIL at 100.00 MHz)
Info: Max frequency for clock               'clk': 104.50 MHz (PASS at 100.00 MHz)
"""


# the table of upstream's nextpnr-himbaechel: its names of the same sites (himbaechel/uarch/xilinx), its widths
HIMBAECHEL_LOG = re.sub(r"(RAMB18E1|RAMB36E1|DSP48E1):", r"\1_\1:", NEXTPNR_LOG)


def fake_open_flow(fakes, monkeypatch, tmp_path, nextpnr, log, status=0):
    """Fakes of ``nextpnr`` and of X-Ray's tools, and what the environment says of their databases."""
    database = tmp_path / "db" / "zynq7"
    database.mkdir(parents=True)
    floorplans.write_grid(database / "xc7z020")
    chips = tmp_path / "chip.bin"
    chips.touch()
    monkeypatch.setenv(openxc7.CHIPDB, str(chips))
    monkeypatch.setenv(openxc7.XRAY, str(database.parent))
    bit = tmp_path / "made.bit"
    bit.write_bytes(bit_container("edgeseg_top", "7z020clg400", bytes(32)))
    device = "" if nextpnr == "nextpnr-xilinx" else "--device xc7z020clg400-1 "
    handed = "floorplan.json" if nextpnr == "nextpnr-xilinx" else "../netlist/netlist.json"
    fake_tool(
        fakes, nextpnr,
        f"[[ \"$*\" == '{device}--chipdb {chips} '* ]] && [ -s ../netlist/netlist.json ]\n"
        f"[[ \"$*\" == *' --json {handed} '* ]] && [ -s {handed} ]\n"
        f"cat <<'END'\n{log}END\ntouch edgeseg.fasm; exit {status}",
    )  # fmt: skip
    fake_tool(fakes, "fasm2frames", f"[ \"$4\" = '{database}' ] && [ -f edgeseg.fasm ] && echo frames")
    fake_tool(fakes, "xc7frames2bit", f"[ -s edgeseg.frames ] && cp '{bit}' \"${{@: -1}}\"")


@pytest.mark.parametrize(("nextpnr", "log"), [("nextpnr-xilinx", NEXTPNR_LOG), ("nextpnr-himbaechel", HIMBAECHEL_LOG)])
def test_open_flow_runs_its_tools_in_order(built, no_tools, monkeypatch, tmp_path, nextpnr, log):
    folder = built("pynq-z2")
    fake_open_flow(no_tools, monkeypatch, tmp_path, nextpnr, log)
    assert bitstream(folder, "--unchecked") == 0
    report = read_report(folder / "report.json")
    assert report.totals.fmax_mhz == 104.5
    known = {"toolchain": "openxc7", "seed": 1, "luts": 31_000, "ffs": 24_000, "bram36": 115, "dsps": 220}
    assert {key: getattr(report.implementation, key) for key in known} == known
    assert report.implementation.bitstream_bytes == (folder / "bitstream" / "edgeseg.bit").stat().st_size
    assert report.implementation.read_back == "not read back: bit2fasm and bitread are not on PATH"
    assert report.implementation.routed_netlist == "not simulated: give --export"


def test_the_clock_that_one_placement_misses_the_next_may_meet(built, no_tools, monkeypatch, tmp_path, capsys):
    folder = built("pynq-z2")
    fake_open_flow(no_tools, monkeypatch, tmp_path, "nextpnr-xilinx", NEXTPNR_LOG)
    later = (no_tools / "nextpnr-xilinx").read_text().partition("\n")[2]
    fake_tool(
        no_tools, "nextpnr-xilinx",
        f"[[ \"$*\" == *' --seed 3 '* ]] || {{ cat <<'END'\n{MISSED}END\nexit 1; }}\n{later}",
    )  # fmt: skip
    assert bitstream(folder, "--unchecked", "--seeds", "2") == 2
    assert "routed for 88.2 MHz" in capsys.readouterr().err
    assert bitstream(folder, "--unchecked") == 0
    implementation = read_report(folder / "report.json").implementation
    assert (implementation.seed, implementation.fmax_mhz) == (3, 104.5)
    assert len(list((folder / "bitstream").glob("nextpnr-seed*.log"))) == 2
    fake_open_flow_again = (no_tools / "nextpnr-xilinx").read_text().replace("--seed 3", "--seed 1")
    (no_tools / "nextpnr-xilinx").write_text(fake_open_flow_again)
    assert bitstream(folder, "--unchecked") == 0
    assert read_report(folder / "report.json").implementation.seed == 1, (
        "logs of the run before are no seeds of this one"
    )


@pytest.mark.parametrize(
    ("back", "bits", "status", "sentence", "left"),
    [
        ("INT_L_X0Y0.A.B", "bit_00000900_000_01", 0, None, "edgeseg.bit"),
        ("INT_L_X0Y0.A.B\nINT_L_X0Y0.A.C", "bit_00000900_000_01", 0, "has INT_L_X0Y0.A.C", "edgeseg-differs.bit"),
        ("INT_L_X0Y0.A.B", "", 0, "first word 0 of frame 0x00000900", "edgeseg-differs.bit"),
        ("", "bit_00000900_000_01", 0, "asks for INT_L_X0Y0.A.B, which is not in", "edgeseg-differs.bit"),
        ("", "", 7, "bit2fasm cannot read", "edgeseg-unchecked.bit"),
    ],
)
def test_only_a_bitstream_that_reads_back_as_asked_keeps_its_name(
    built, no_tools, monkeypatch, tmp_path, capsys, back, bits, status, sentence, left
):
    folder = built("pynq-z1") / "bitstream"
    fake_open_flow(no_tools, monkeypatch, tmp_path, "nextpnr-xilinx", NEXTPNR_LOG)
    database = tmp_path / "db" / "zynq7"
    (database / "segbits_int_l.db").write_text("INT_L.A.B 00_01\nINT_L.A.C 00_02\n")
    fake_tool(no_tools, "fasm2frames", "echo INT_L_X0Y0.A.B >edgeseg.fasm; echo 0x00000900 0x00000002,0x00000000")
    fake_tool(no_tools, "bitread", "exit 1")  # bit2fasm's own
    part = Shell.load(built("pynq-z1")).part
    fake_tool(
        no_tools, "bit2fasm",
        f"[ \"$*\" = '--db-root {database} --part {part} --bitread bitread --bits-file readback.bits edgeseg.bit' ]\n"
        f"echo '{bits}' | grep . >readback.bits || true; echo '{back}'; echo 'no such part' >&2; exit {status}",
    )  # fmt: skip
    for name in folder.glob("edgeseg*.bi[tn]"):
        name.unlink()
    assert bitstream(built("pynq-z1"), "--unchecked") == (2 if sentence else 0)
    assert [path.name for path in folder.glob("edgeseg*.bit")] == [left]
    assert (folder / "edgeseg.bin").exists() == (sentence is None)
    if sentence:
        assert sentence in capsys.readouterr().err
    else:
        assert read_report(folder.parent / "report.json").implementation.read_back == "exact, 1 features, 1 bits"


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (None, "edgeseg.bit"),
        (MismatchError("a value differs"), "edgeseg-differs.bit"),
        (BuildError("a cell cannot be told"), "edgeseg-unchecked.bit"),
    ],
)
def test_only_a_bitstream_whose_routed_netlist_computes_the_golden_data_keeps_its_name(
    built, no_tools, monkeypatch, tmp_path, capsys, error, left
):
    folder = built("pynq-z1") / "bitstream"
    fake_open_flow(no_tools, monkeypatch, tmp_path, "nextpnr-xilinx", NEXTPNR_LOG)

    def check(build_dir, routed, exports, meter):
        sizes = [export.size for export in exports]
        assert (build_dir, routed, sizes) == (folder.parent, folder / "routed.json", [(16, 32)])
        if error:
            raise error
        return "exact, 7 bytes"

    monkeypatch.setattr(command, "check_routed", check)
    monkeypatch.setattr(openxc7, "check_tables", lambda folder, part: f"tables of {part}")
    for name in folder.glob("edgeseg*.bi[tn]"):
        name.unlink()
    export = built("pynq-z1").parent / "export"
    assert bitstream(built("pynq-z1"), "--unchecked", "--export", str(export)) == (2 if error else 0)
    assert [path.name for path in folder.glob("edgeseg*.bit")] == [left]
    if error:
        assert f"error: {error}" in capsys.readouterr().err
    else:
        implementation = read_report(folder.parent / "report.json").implementation
        assert implementation.routed_netlist == "exact, 7 bytes; tables of xc7z020clg400-1"


MISSED = NEXTPNR_LOG.replace("Info: Max frequency for clock               'clk': 104.50 MHz (PASS",
                             "ERROR: Max frequency for clock               'clk': 88.25 MHz (FAIL")  # fmt: skip


@pytest.mark.parametrize(
    ("log", "status", "sentence"),
    [
        (MISSED, 1, "error: routed for 88.2 MHz, the board's clock is 100 MHz: lower fabric_mhz"),
        (MISSED.replace("ERROR: Max", "Warning: Max"), 0, "error: routed for 88.2 MHz, the board's clock is 100 MHz"),
        ("ERROR: Unable to place cell 'x'\n", 1, "openxc7 ended with status 1: ERROR: Unable to place cell 'x'; see"),
        ("Info: nothing\n", 0, "nextpnr's log in '"),
    ],
)
def test_failed_open_flow_leaves_no_bitstream(built, no_tools, monkeypatch, tmp_path, capsys, log, status, sentence):
    folder = built("pynq-z1") / "bitstream"
    fake_open_flow(no_tools, monkeypatch, tmp_path, "nextpnr-xilinx", log, status)
    assert bitstream(built("pynq-z1"), "--toolchain", "openxc7", "--unchecked") == 2
    assert sentence in capsys.readouterr().err
    assert not (folder / "edgeseg.bit").exists() and not (folder / "edgeseg.bin").exists()


def test_netlist_that_was_not_compared_is_not_handed_on(built, no_tools, monkeypatch, tmp_path, capsys):
    folder = built("pynq-z1")
    fake_open_flow(no_tools, monkeypatch, tmp_path, "nextpnr-xilinx", NEXTPNR_LOG)
    (folder / "netlist" / "record.json").unlink(missing_ok=True)
    assert bitstream(folder) == 2
    assert "not compared with golden data: run `python -m hw_build netlist` first" in capsys.readouterr().err
    assert not (folder / "bitstream" / "edgeseg.bit").exists()
    assert cli.main(["netlist", "--export", str(folder.parent / "export"), "--out", str(folder)]) == 0
    assert "exact, against golden logits of 2 images" in capsys.readouterr().out
    assert bitstream(folder) == 0
    netlist = folder / "netlist" / "netlist.json"
    netlist.write_text(netlist.read_text().replace('"INIT": "1"', '"INIT": "0"', 1))  # another than the one compared
    (folder / "bitstream" / "edgeseg.bit").unlink()
    assert bitstream(folder) == 2
    assert "not compared with golden data" in capsys.readouterr().err


def test_binary_reverses_the_bytes_of_each_word(tmp_path):
    words = np.array([0xFFFFFFFF, 0xAA995566, 0x20000000], dtype=np.uint32)
    (tmp_path / "a.bit").write_bytes(bit_container("top", "7z020clg400", words.astype(">u4").tobytes()))
    write_binary(tmp_path / "a.bit", tmp_path / "a.bin")
    # the word order of configuration data as the processor's configuration port takes it: little-endian
    assert list(struct.unpack("<3I", (tmp_path / "a.bin").read_bytes())) == words.tolist()
