#!/usr/bin/env bash
# Alpine 3.19 with packages of edge: advisories follow the repository, not the release.
set -euo pipefail
"$2/scripts/parity/images/alpine.sh" "$1" "$2"
echo https://dl-cdn.alpinelinux.org/alpine/edge/testing >>"$1/root/etc/apk/repositories"
