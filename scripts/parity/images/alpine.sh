#!/usr/bin/env bash
# Alpine 3.19 with its own repositories.
set -euo pipefail
# shellcheck source=scripts/parity/shared/apk.sh
. "$2/scripts/parity/shared/apk.sh"
apk_image "$1" "$2" '' 'NAME="Alpine Linux"' 'ID=alpine' 'VERSION_ID=3.19.1'
echo 3.19.1 >"$1/root/etc/alpine-release"
printf 'https://dl-cdn.alpinelinux.org/alpine/v3.19/%s\n' main community >"$1/root/etc/apk/repositories"
