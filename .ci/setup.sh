#!/usr/bin/env bash
# Makes .venv by pip alone from the lists in pyproject.toml and stamps it with their hash; does nothing where that fits.
# Settings: PYTHON (default python3), TORCH (default the torch of pyproject.toml), VENV (default .venv).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON=${PYTHON:-python3}
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

listed() { # listed EXPRESSION: the requirements that EXPRESSION picks from pyproject.toml, one a line
    "$PYTHON" -c "
import tomllib
with open('pyproject.toml', 'rb') as file:
    project = tomllib.load(file)
needs = project['project']['dependencies'] + project['project']['optional-dependencies']['dev']
print(*($1), sep='\n')"
}
TORCH=${TORCH:-$(listed "[need for need in needs if need.startswith('torch==')]")}
NEEDS=$(listed "[need for need in needs if not need.startswith('torch==')]")
WITHOUT_PINS=$(listed "project['tool']['edgeseg']['without-pins']")

stamp=$(printf '%s\n' "$TORCH" "$NEEDS" "$WITHOUT_PINS" | cat - requirements.lock | cksum | tr ' ' '-')
[ "$(cat "$VENV/edgeseg.stamp" 2>/dev/null || true)" != "$stamp" ] || exit 0

echo "setting up $VENV (once; a few minutes)"
if [ ! -x "$VENV/bin/python" ]; then
    "$PYTHON" -m venv "$VENV" ||
        fail "'$PYTHON -m venv $VENV' failed; install the venv module (Debian, Ubuntu: apt-get install python3-venv)"
fi
pip() { "$VENV/bin/python" -m pip --disable-pip-version-check "$@"; }
hint="the lines above say why; check network and disk, then run make setup again"
# shellcheck disable=SC2086 # each holds several words
{
    pip install $TORCH || fail "pip could not install '$TORCH'; $hint"
    pip install --constraint requirements.lock $NEEDS || fail "pip could not install the dependencies of pyproject.toml; $hint"
    pip install --no-deps $WITHOUT_PINS || fail "pip could not install '${WITHOUT_PINS//$'\n'/ }'; $hint"
}
echo "$stamp" >"$VENV/edgeseg.stamp.part"
mv "$VENV/edgeseg.stamp.part" "$VENV/edgeseg.stamp"
