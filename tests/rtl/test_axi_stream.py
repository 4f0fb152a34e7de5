"""Wrappers are written from the headers of cores: nothing of a header is missed, other modules are refused."""

import re

import pytest

from hw_build.base.errors import BuildError
from hw_build.kernels.axi_stream import read_core, wrapper
from hw_build.simulate.lint import KERNEL_DIR, LIB_DIR, lint_wrapper

FILES = sorted(KERNEL_DIR.rglob("*.sv"))
CORES = [path for path in (*FILES, *sorted(LIB_DIR.glob("*.sv"))) if read_core(path).inputs]
TINY = """\
module tiny #(
    parameter int BITS = 4  // of a beat, [BITS-1:0]
) (
    input  wire logic [BITS-1:0] x_data,  // as it comes
    input  wire logic            x_valid,
    output      logic            x_ready,
    output      logic [BITS-1:0] y_data,
    output      logic            y_valid,
    input  wire logic            y_ready
);
endmodule
"""


def test_every_kernel_has_a_core_and_none_its_own_wrapper():
    assert {path.parent for path in FILES if path in CORES or not read_core(path).needs_wrapper} == {
        path.parent for path in FILES
    }
    assert not [path for path in FILES if path.stem.endswith("_axi")]


@pytest.mark.parametrize("path", CORES, ids=lambda path: path.stem)
def test_nothing_of_a_header_is_missed(path):
    header = re.sub(r"//.*", "", path.read_text()).partition(f"module {path.stem} ")[2].partition("\n);")[0]
    core = read_core(path)
    assert len(core.names) == len(re.findall(r"\bparameter\b", header)) > 0
    assert len(core.ports) == len(re.findall(r"\b(?:input|output)\b", header))
    streams = {f"{name}_{wire}" for name in (*core.inputs, "y") for wire in ("data", "valid", "ready")}
    assert set(core.ports) - {"clk", "rst_n"} == streams
    assert sum(bool(bits) for bits in core.ports.values()) == header.partition(") (")[2].count("[")


def test_wrapper_of_a_core_without_registers_has_no_clock_to_give(tmp_path):
    path = tmp_path / "tiny.sv"
    path.write_text(TINY)
    module, text = wrapper(read_core(path))
    assert module == "tiny_axi"
    assert "output      logic [BITS-1:0] m_axis_tdata" in text
    assert text.count(".clk(ap_clk)") == 1  # of the buffer


def test_wrong_wrapper_is_a_complaint(tmp_path, monkeypatch):
    path = tmp_path / "tiny.sv"
    path.write_text(
        TINY.replace("endmodule", "  assign y_data = x_data, y_valid = x_valid, x_ready = y_ready;\nendmodule")
    )
    monkeypatch.setattr("hw_build.simulate.lint.KERNEL_DIR", tmp_path)
    assert not lint_wrapper(path)
    path.write_text(path.read_text().replace("int BITS", "int OTHER"))
    assert "BITS" in lint_wrapper(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (TINY.replace("module tiny", "module other"), r"the header of module tiny cannot be read"),
        (TINY.replace("y_ready", "z_ready"), r"tiny has no streams x, or a and b, and y, so that it has no wrapper"),
    ],
)
def test_what_is_no_core_is_refused(tmp_path, text, sentence):
    path = tmp_path / "tiny.sv"
    path.write_text(text)
    with pytest.raises(BuildError, match=sentence):
        wrapper(read_core(path))
