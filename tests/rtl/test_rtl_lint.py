"""The RTL lint finds what it should, and all of our RTL is clean."""

from hw_build.simulate import lint as rtl_lint


def test_all_rtl_is_clean(capsys):
    assert rtl_lint.main() == 0, capsys.readouterr().err


def test_a_warning_is_a_complaint(tmp_path):
    bad = tmp_path / "narrow.sv"
    bad.write_text("module narrow (input logic [7:0] a, output logic [3:0] y);\n  assign y = a;\nendmodule\n")
    complaints = rtl_lint.lint_all(tmp_path)
    assert list(complaints) == [bad] and "WIDTHTRUNC" in complaints[bad]
