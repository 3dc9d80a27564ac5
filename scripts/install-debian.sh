#!/usr/bin/env bash
# Install the Debian packages that `make interop` needs and that are missing. Needs root (or sudo without a password) only then.
#
#   docker-registry   CNCF distribution 2.8: a registry without the referrers API
#   mmdebstrap        makes a real Debian root file system
#   rpm, db5.3-util    write RPM databases of every format
#   zstd, curl, time  unpacking a vulnerability database, waiting for servers, peak memory in the benchmark
set -euo pipefail

declare -A package_of=([docker-registry]=docker-registry [mmdebstrap]=mmdebstrap [curl]=curl [zstd]=zstd [xz]=xz-utils [jq]=jq
  [rpmbuild]=rpm [db5.3_load]=db5.3-util)
missing=()
for program in "${!package_of[@]}"; do
  command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
[ -x /usr/bin/time ] || missing+=(time)
if [ ${#missing[@]} -eq 0 ]; then echo "install-debian: all packages are in place"; exit 0; fi

if ! command -v apt-get >/dev/null; then
  echo "install-debian: this is not a Debian-like system; please provide: ${missing[*]}" >&2; exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if sudo -n true 2>/dev/null; then as_root=(sudo -n); else
    echo "install-debian: root is needed for: apt-get install ${missing[*]}" >&2; exit 1
  fi
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "install-debian: installed ${missing[*]}"
