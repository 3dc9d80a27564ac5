#!/usr/bin/env bash
# RPM in SQLite; advisories by source package.
set -euo pipefail
# shellcheck source=scripts/parity/shared/rpm.sh
. "$2/scripts/parity/shared/rpm.sh"
rpm_image "$1" sqlite azl3 "Microsoft Corporation" var/lib/rpm
os_release "$1/root" 'NAME="Microsoft Azure Linux"' 'ID=azurelinux' 'VERSION_ID="3.0"'
