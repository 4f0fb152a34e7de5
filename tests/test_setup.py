"""What `make` refuses before it installs anything, and that CI runs nothing but `make test`."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("bash", "dirname", "cat", "cksum", "tr", "python3", "g++", "make", "perl")


def setup_with(tools, tmp_path, **environment):
    """Runs .ci/setup.sh with exactly ``tools`` on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in tools:
        real = subprocess.run(["which", tool], capture_output=True, text=True, check=True).stdout.strip()
        (folder / tool).symlink_to(real)
    return subprocess.run(
        ["bash", str(ROOT / ".ci/setup.sh")],
        env={"PATH": str(folder), "HOME": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("missing", ["g++", "make", "perl", "python3"])
def test_missing_tool_is_one_sentence(missing, tmp_path):
    run = setup_with([tool for tool in TOOLS if tool != missing], tmp_path, VENV=str(tmp_path / "venv"))
    assert run.returncode != 0
    assert run.stderr.startswith(f"error: '{missing}' is not on PATH; install ")
    assert run.stderr.count("\n") == 1


def test_old_python_is_one_sentence(tmp_path):
    old = tmp_path / "python-old"
    old.write_text('#!/usr/bin/env bash\n[ "$1" != --version ] || echo Python 3.9.2\nexit 1\n')
    old.chmod(0o755)
    run = setup_with([*TOOLS, "env"], tmp_path, VENV=str(tmp_path / "venv"), PYTHON=str(old))
    assert run.returncode != 0
    assert "is Python 3.9.2; Python 3.11 or newer is needed" in run.stderr
    assert run.stderr.count("\n") == 1


def test_stamp_that_fits_installs_nothing(tmp_path):
    venv = tmp_path / "venv"
    venv.mkdir()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needs = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["dev"]
    assert needs[0].startswith("torch=="), "torch goes in first, on its own"
    text = "".join(f"{line}\n" for line in [*needs, *project["tool"]["edgeseg"]["without-pins"]])
    text += (ROOT / "requirements.lock").read_text()
    checksum = subprocess.run(["cksum"], input=text, capture_output=True, text=True, check=True).stdout.strip()
    (venv / "edgeseg.stamp").write_text(checksum.replace(" ", "-") + "\n")
    run = setup_with(TOOLS, tmp_path, VENV=str(venv), PYTHON=sys.executable)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert [entry.name for entry in venv.iterdir()] == ["edgeseg.stamp"]


def test_lock_holds_every_pin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needs = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["dev"]
    pins = dict(_pin(need) for need in needs[1:] if "==" in need)
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = dict(_pin(line) for line in lines if not line.startswith("#"))
    assert pins.items() <= locked.items()
    assert len(locked) > len(pins), "what comes with them, too"


def test_documentation_without_a_package_index_is_one_sentence(tmp_path):
    pip = tmp_path / "venv" / "bin" / "python"
    pip.parent.mkdir(parents=True)
    pip.write_text("#!/usr/bin/env bash\nexit 1\n")  # as pip ends where no index answers
    pip.chmod(0o755)
    environment = {**os.environ, "VENV_DOCS": str(tmp_path / "venv"), "PYTHON": sys.executable}
    script = ["bash", str(ROOT / ".ci/setup-docs.sh")]
    run = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert run.stderr.startswith("error: pip could not install 'mkdocs==")
    assert "if it cannot reach its package index, check the network" in run.stderr
    assert run.stderr.count("\n") == 1
    assert not (tmp_path / "venv" / "edgeseg.stamp").exists()


@pytest.mark.parametrize("package", ["board", "calib_data", "hw_build", "models", "quant"])
def test_every_file_of_a_package_is_installed_with_it(package):
    folder = ROOT / package
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    installed = {path for pattern in patterns.get(package, []) for path in folder.glob(pattern)}
    there = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert {path for path in there - installed if "__pycache__" not in path.parts} == set()


def test_ci_calls_lint_and_tests_only():
    commands = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line and not line.startswith("#")]
    assert commands[0] == "set -euo pipefail"
    assert commands[2:] == ["make lint", "make test"]


def _pin(requirement):
    name, version = requirement.split("==")
    return canonicalize_name(name.split("[")[0]), Version(version)
