#!/usr/bin/env bash
# Makes .venv-board, the simulated board's environment: pynq (which wants numpy below 2) by pip, and a .pth file that
# lets pynq find the simulated device where EDGESEG_SIM is 1, and does nothing elsewhere.
# Settings: PYTHON (default python3), VENV_BOARD (default .venv-board).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON=${PYTHON:-python3}
VENV_BOARD=${VENV_BOARD:-.venv-board}

fail() {
    echo "error: $1" >&2
    exit 1
}

NEEDS=$("$PYTHON" -c "
import tomllib
with open('pyproject.toml', 'rb') as file:
    print(*tomllib.load(file)['tool']['edgeseg']['simulated-board'], sep='\n')") ||
    fail "'$PYTHON' cannot read pyproject.toml; name Python 3.11 or newer: make PYTHON=/path/to/python3"

stamp=$(printf '%s\n' "$PWD" "$NEEDS" "$(cat "${BASH_SOURCE[0]}")" | cksum | tr ' ' '-')
[ "$(cat "$VENV_BOARD/edgeseg.stamp" 2>/dev/null || true)" != "$stamp" ] || exit 0

echo "setting up $VENV_BOARD (once; a minute or two)"
if [ ! -x "$VENV_BOARD/bin/python" ]; then
    "$PYTHON" -m venv "$VENV_BOARD" ||
        fail "'$PYTHON -m venv $VENV_BOARD' failed; install the venv module (Debian, Ubuntu: apt-get install python3-venv)"
fi
# shellcheck disable=SC2086 # one word a requirement
"$VENV_BOARD/bin/python" -m pip --disable-pip-version-check install --quiet $NEEDS ||
    fail "pip could not install '${NEEDS//$'\n'/ }'; the lines above say why, check network and disk"
packages=$("$VENV_BOARD/bin/python" -c "import sysconfig; print(sysconfig.get_paths()['purelib'])")
cat >"$packages/edgeseg_simulated_board.pth" <<PTH
import os, sys; os.environ.get("EDGESEG_SIM") == "1" and (sys.path.append("$PWD"), __import__("hw_build.implement.pynq_sim.hook"))
PTH
echo "$stamp" >"$VENV_BOARD/edgeseg.stamp.part"
mv "$VENV_BOARD/edgeseg.stamp.part" "$VENV_BOARD/edgeseg.stamp"
