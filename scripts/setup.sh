#!/usr/bin/env bash
# Makes .venv by pip alone and stamps it with a hash of the requirement lists; does nothing where the stamp fits.
# Settings: PYTHON (default python3), TORCH (default the line of requirements/torch.txt), VENV (default .venv).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON=${PYTHON:-python3}
TORCH=${TORCH:-$(cat requirements/torch.txt)}
VENV=${VENV:-.venv}

fail() {
    echo "error: $1" >&2
    exit 1
}

need() { # need COMMAND WHAT_TO_DO
    command -v "$1" >/dev/null || fail "'$1' is not on PATH; $2"
}

need "$PYTHON" "install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3"
need g++ "install a C++17 compiler named g++ (Debian, Ubuntu: apt-get install g++)"
need make "install GNU make (Debian, Ubuntu: apt-get install make)"
need perl "install perl (Debian, Ubuntu: apt-get install perl)"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "'$PYTHON' is $("$PYTHON" --version 2>&1); Python 3.11 or newer is needed, name one: make PYTHON=/path/to/python3"

stamp=$(printf '%s\n' "$TORCH" | cat - requirements/needs.txt requirements/no-deps.txt | cksum | tr ' ' '-')
[ "$(cat "$VENV/edgeseg.stamp" 2>/dev/null || true)" != "$stamp" ] || exit 0

echo "setting up $VENV (once; a few minutes)"
if [ ! -x "$VENV/bin/python" ]; then
    "$PYTHON" -m venv "$VENV" ||
        fail "'$PYTHON -m venv $VENV' failed; install the venv module (Debian, Ubuntu: apt-get install python3-venv)"
fi
pip() { "$VENV/bin/python" -m pip --disable-pip-version-check "$@"; }
hint="the lines above say why; check network and disk, then run make setup again"
# shellcheck disable=SC2086 # TORCH may carry several words
pip install $TORCH || fail "pip could not install '$TORCH'; $hint"
pip install -r requirements/needs.txt || fail "pip could not install requirements/needs.txt; $hint"
pip install --no-deps -r requirements/no-deps.txt || fail "pip could not install requirements/no-deps.txt; $hint"
echo "$stamp" >"$VENV/edgeseg.stamp.part"
mv "$VENV/edgeseg.stamp.part" "$VENV/edgeseg.stamp"
