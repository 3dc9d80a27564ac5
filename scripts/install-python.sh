#!/usr/bin/env bash
# Make the virtual environment INTEROP_VENV (default .tools/venv) with scripts/interop/requirements.txt. Idempotent.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
venv=${INTEROP_VENV:-$root/.tools/venv}
requirements=$root/scripts/interop/requirements.txt
stamp=$venv/.stamp
want=$(python3 --version; sha256sum <"$requirements")
if [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then echo "install-python: $venv is in place"; exit 0; fi
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "install-python: Python 3.11 or newer is needed" >&2; exit 1; }
rm -rf "$venv"
python3 -m venv "$venv" || { echo "install-python: python3 cannot make virtual environments (Debian: apt-get install python3-venv)" >&2; exit 1; }
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$requirements"
echo "$want" >"$stamp"
echo "install-python: sigstore $("$venv/bin/python" -c 'import importlib.metadata as m; print(m.version("sigstore"))') in $venv"
