#!/usr/bin/env bash
# Make a real Debian image of two platforms as an OCI layout, and print the layout's folder.
#
#   scripts/interop/image.sh
#
# linux/amd64 is installed by mmdebstrap. linux/arm64 has the real arm64 files and dpkg database, but its maintainer scripts
# never ran: running them needs an emulator registered with the kernel, which is not available everywhere.
# Cached under .tools/cache, keyed by the scripts that make it: delete that folder for newer packages.
# The folder above holds `summary`: the index digest, then one line per platform (digest, compressed bytes).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
key=$(cat "$0" "$here/write_layout.py" "$here/mark_unpacked.py" | sha256sum | cut -c1-16)
out=${INTEROP_CACHE:-$root/.tools/cache}/debian-image-$key
if [ -f "$out/layout/index.json" ]; then echo "$out/layout"; exit 0; fi

suite=bookworm
packages=apt,nginx-light,curl,python3-minimal,ca-certificates,usr-is-merged
export SOURCE_DATE_EPOCH=1735689600
rm -rf "$out"; mkdir -p "$out"

# The point release alone, without later security updates: an image with something for a scanner to find.
point_release_only='--setup-hook=sed -i -e /-security/d -e /-updates/d "$1/etc/apt/sources.list"'

bootstrap() { # ARCHITECTURE OPTION…
  local arch=$1; shift
  mmdebstrap --quiet --components=main --architectures="$arch" --include="$packages" "$point_release_only" "$@" "$suite" "$out/$arch.tar" >"$out/$arch.log" 2>&1 \
    || { echo "image: mmdebstrap failed for $arch:" >&2; tail -n 20 "$out/$arch.log" >&2; exit 1; }
}
bootstrap amd64 --variant=minbase
bootstrap arm64 --variant=extract --include='?essential' --include='?priority(required)' \
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --extract-hook="'$here/mark_unpacked.py' \"\$1\""
python3 "$here/write_layout.py" "$out/writing" \
  org.opencontainers.image.source=https://github.com/example-org/app \
  org.opencontainers.image.revision=0123456789abcdef0123456789abcdef01234567 \
  org.opencontainers.image.version=1.2.3 \
  -- "linux/amd64=$out/amd64.tar" "linux/arm64=$out/arm64.tar" > "$out/summary"
rm -f "$out"/*.tar
mv "$out/writing" "$out/layout"
echo "$out/layout"
