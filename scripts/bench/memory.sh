#!/usr/bin/env bash
# Peak resident memory of `countersign promote` for an image with a 500 MB layer; fails above the limit.
#
#   scripts/bench/memory.sh [LIMIT_MIB]     default 150
#
# Environment as in scripts/bench/pipeline.sh. `own` is countersign's process, `largest` the largest of it and its scanner.
set -euo pipefail
limit=${1:-150}
# shellcheck source=scripts/bench/setting.sh
. "$(dirname "$0")/setting.sh"

# Debian's package database and half a gigabyte that does not compress, in one layer.
mkdir -p "$work/files/var/lib/dpkg" "$work/files/etc" "$work/files/srv"
printf 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n' >"$work/files/etc/os-release"
printf '12.8\n' >"$work/files/etc/debian_version"
printf 'Package: zlib1g\nStatus: install ok installed\nSource: zlib\nVersion: 1:1.2.13.dfsg-1\nArchitecture: amd64\nMaintainer: nobody <nobody@example.com>\nDescription: x\n\n' \
  >"$work/files/var/lib/dpkg/status"
head -c 500000000 /dev/urandom >"$work/files/srv/model.bin"
tar -C "$work/files" -cf "$work/big.tar" . && rm -rf "$work/files"
python3 "$interop/write_layout.py" "$work/big" org.opencontainers.image.version=1.2.3 -- "linux/amd64=$work/big.tar" >"$work/summary"
rm "$work/big.tar"
digest=$(awk '$1 == "index" { print $2 }' "$work/summary")
"$bin/crane" push --insecure "$work/big" "$registry/bench/big@$digest" >/dev/null 2>&1

prefix=(python3 "$bench/peak_memory.py" "$work/memory")
began=$SECONDS
promote "$registry/bench/big@$digest" >"$work/out" 2>"$work/err" || { tail -n 20 "$work/err" >&2; exit 1; }
own=$(awk '$1 == "own" { print $2 }' "$work/memory"); tree=$(awk '$1 == "tree" { print $2 }' "$work/memory")
echo "promote of a $(awk '$1 == "linux/amd64" { printf "%.0f", $3 / 1000000 }' "$work/summary") MB image: own $own MiB, largest $tree MiB, about $((SECONDS - began)) s (limit $limit MiB)"
[ "$own" -le "$limit" ]
