#!/usr/bin/env bash
# Chainguard: as Wolfi, with advisories of its own.
set -euo pipefail
# shellcheck source=scripts/parity/shared/apk.sh
. "$2/scripts/parity/shared/apk.sh"
apk_image "$1" "$2" '' 'ID=chainguard' 'NAME="Chainguard"' 'VERSION_ID="20230214"'
