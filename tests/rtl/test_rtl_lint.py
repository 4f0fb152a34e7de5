"""The RTL lint finds what it should, and all of our RTL is clean."""

import re

import pytest

from hw_build.simulate import lint as rtl_lint

NO_PACKAGES = [path for path in rtl_lint.modules_in(rtl_lint.RTL_DIR, rtl_lint.KERNEL_DIR) if "_pkg" not in path.stem]
TEXTS = ("RAM_STYLE",)  # parameters without a type: Vivado takes no `string` in an attribute


def test_all_rtl_is_clean(capsys):
    assert rtl_lint.main() == 0, capsys.readouterr().err


def test_a_warning_is_a_complaint(tmp_path):
    bad = tmp_path / "narrow.sv"
    bad.write_text("module narrow (input logic [7:0] a, output logic [3:0] y);\n  assign y = a;\nendmodule\n")
    complaints = rtl_lint.lint_all(tmp_path)
    assert list(complaints) == [bad] and "WIDTHTRUNC" in complaints[bad]


def style_offences(name: str, text: str) -> list[str]:
    """What of a module is not written as all others are: nets, name, ports, parameters, labels of generate blocks."""
    code = re.sub(r"//.*", "", text)
    found = []
    if not re.search(r"^`default_nettype none$", code, re.M) or not code.rstrip().endswith("`default_nettype wire"):
        found.append("stands between `default_nettype none and wire")
    if re.findall(r"^module (\w+)", code, re.M) != [name]:
        found.append("is one module, of the file's name")
    if not text.startswith("// "):
        found.append("begins with what it computes")
    for port in re.findall(r"^ *(?:input|output)\b[^\n]*", code.partition("\n);")[0], re.M):
        if not re.match(r" *(?:input +wire|output) +(?:logic|\w+::\w+|\w+_t)\b", port):
            found.append(f"has no `input wire logic` or `output logic`: {port.strip()}")
    for kind, parameter in re.findall(r"^ *parameter\b([^=\n]*?)(\w+) *=", code, re.M):
        if not re.fullmatch("[A-Z][A-Z0-9_]*", parameter) or not (kind.strip() or parameter in TEXTS):
            found.append(f"has parameters of a type and in capitals, unlike {parameter}")
    found += [f"labels its loops: {loop}" for loop in re.findall(r"for \(genvar[^\n]*\)(?: begin)?$", code, re.M)]
    return found


@pytest.mark.parametrize("path", NO_PACKAGES, ids=lambda path: path.stem)
def test_one_style(path):
    assert not style_offences(path.stem, path.read_text())


GOOD = """\
// Y = X.
`default_nettype none
module tiny #(
  parameter int N = 1
) (
  input  wire logic x,
  output      logic y
);
  for (genvar i = 0; i < N; i++) begin : g_one
    assign y = x;
  end
endmodule
`default_nettype wire
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("`default_nettype none", ""),
        ("module tiny", "module other"),
        ("// Y = X.\n", ""),
        ("input  wire logic", "input  logic"),
        ("parameter int N", "parameter N"),
        ("int N", "int count"),
        (" : g_one", ""),
    ],
)
def test_another_style_is_found(old, new):
    assert not style_offences("tiny", GOOD)
    assert len(style_offences("tiny", GOOD.replace(old, new))) == 1
