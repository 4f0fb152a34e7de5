"""``edgeseg PACKAGE COMMAND``: the same as ``python -m PACKAGE COMMAND``."""

import subprocess
import sys

import pytest

from hw_build.cli.edgeseg import main

PACKAGES = {"models": "models", "quant": "quant", "hw": "hw_build", "board": "board"}


def test_a_package_gets_its_own_arguments(capsys):
    main(["hw", "boards", "--json"])
    by_entry = capsys.readouterr().out
    from hw_build.cli.main import main as own

    own(["boards", "--json"])
    assert capsys.readouterr().out == by_entry != ""


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_there(package, capsys):
    with pytest.raises(SystemExit) as ended:
        main([package, "--help"])
    assert ended.value.code == 0
    assert f"python -m {PACKAGES[package]}" in capsys.readouterr().out


def test_a_users_mistake_keeps_its_status(capsys):
    assert main(["hw", "check", "missing.qonnx"]) == 2
    assert "missing.qonnx" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["hw_build"], ["hw", "nonsense"]])
def test_what_is_no_command_is_one_sentence_with_the_choices(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err


def test_help_imports_no_heavy_library():
    code = (
        "import sys; from hw_build.cli.edgeseg import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'onnx', 'finn'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "[]"
    assert all(name in said for name in PACKAGES)
