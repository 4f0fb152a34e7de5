"""Commands, README and notebook of an unpacked deploy zip, in pynq's environment on the simulated board."""

import os
import subprocess
from pathlib import Path

PYTHON = Path(__file__).resolve().parents[3] / ".venv-board" / "bin" / "python"
RUN_NOTEBOOK = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in json.load(open("edgeseg.ipynb"))["cells"]:
    if cell["cell_type"] == "code":
        shell.run_cell("".join(cell["source"])).raise_error()
"""


def on_board(arguments, folder, program=PYTHON, **options):
    """Runs Python, or ``program``, in pynq's environment, in ``folder``, on the simulated board."""
    variables = {"EDGESEG_SIM": "1", "EDGESEG_LOCK": str(folder / "lock"), **options}
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "EDGESEG_SIM")}
    return subprocess.run(
        [program, *arguments], cwd=folder, env={**clean, **variables}, capture_output=True, text=True, timeout=300
    )


def follow_readme(text, home):
    """Runs the commands of a zip's README ``text`` with ``home`` in the place of the user's; all but becoming root."""
    _, commands, _ = text.split("```\n", 2)
    root, unpack, run = commands.splitlines()
    assert root.startswith("sudo -i ") and unpack.startswith("cd /home/xilinx && python3 ")
    lines = f'python3() {{ "{PYTHON}" "$@"; }}\n{unpack.replace("/home/xilinx", str(home))}\n{run}\n'
    return on_board(["-ec", lines], home, program="bash")
