#!/usr/bin/env bash
# Ubuntu 24.04 without extended maintenance; see ubuntu-esm.sh.
set -euo pipefail
"$2/scripts/parity/images/ubuntu-esm.sh" "$1" "$2"
root=$1/root
sed -i 's/20\.04\.6/24.04.1/; s/20\.04/24.04/' "$root/usr/lib/os-release" "$root/etc/lsb-release"
rm -r "$root/var/lib/ubuntu-advantage"
