#!/usr/bin/env bash
# RPM in SQLite; advisories by repository.
set -euo pipefail
# shellcheck source=scripts/parity/shared/rpm.sh
. "$2/scripts/parity/shared/rpm.sh"
rpm_image "$1" sqlite el9 "Red Hat, Inc." var/lib/rpm
os_release "$1/root" 'NAME="Red Hat Enterprise Linux"' 'ID="rhel"' 'VERSION_ID="9.3"'
mkdir -p "$(dirname "$1/root/etc/redhat-release")"; echo "Red Hat Enterprise Linux release 9.3 (Plow)" >"$1/root/etc/redhat-release"
