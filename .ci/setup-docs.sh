#!/usr/bin/env bash
# Makes .venv-docs, the environment that builds the documentation, by pip from the extra `docs` of pyproject.toml.
# Settings: PYTHON (default python3), VENV_DOCS (default .venv-docs).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON=${PYTHON:-python3}
VENV_DOCS=${VENV_DOCS:-.venv-docs}

fail() {
    echo "error: $1" >&2
    exit 1
}

NEEDS=$("$PYTHON" -c "
import tomllib
with open('pyproject.toml', 'rb') as file:
    print(*tomllib.load(file)['project']['optional-dependencies']['docs'], sep='\n')") ||
    fail "'$PYTHON' cannot read pyproject.toml; name Python 3.11 or newer: make PYTHON=/path/to/python3"

stamp=$(printf '%s\n' "$NEEDS" | cksum | tr ' ' '-')
[ "$(cat "$VENV_DOCS/edgeseg.stamp" 2>/dev/null || true)" != "$stamp" ] || exit 0

echo "setting up $VENV_DOCS (once; less than a minute)"
if [ ! -x "$VENV_DOCS/bin/python" ]; then
    "$PYTHON" -m venv "$VENV_DOCS" ||
        fail "'$PYTHON -m venv $VENV_DOCS' failed; install the venv module (Debian, Ubuntu: apt-get install python3-venv)"
fi
# shellcheck disable=SC2086 # one word a requirement
"$VENV_DOCS/bin/python" -m pip --disable-pip-version-check install --quiet $NEEDS ||
    fail "pip could not install '${NEEDS//$'\n'/ }' for the documentation; the lines above say why: if it cannot reach its package index, check the network or name another by PIP_INDEX_URL, then run make docs again"
echo "$stamp" >"$VENV_DOCS/edgeseg.stamp.part"
mv "$VENV_DOCS/edgeseg.stamp.part" "$VENV_DOCS/edgeseg.stamp"
