#!/usr/bin/env bash
# Wolfi, which has no releases.
set -euo pipefail
# shellcheck source=scripts/parity/shared/apk.sh
. "$2/scripts/parity/shared/apk.sh"
apk_image "$1" "$2" 's/^m:.*/m:wolfi/' 'ID=wolfi' 'NAME="Wolfi"' 'VERSION_ID="20230201"'
echo https://packages.wolfi.dev/os >"$1/root/etc/apk/repositories"
