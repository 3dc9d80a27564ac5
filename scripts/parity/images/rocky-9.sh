#!/usr/bin/env bash
# RPM in SQLite.
set -euo pipefail
# shellcheck source=scripts/parity/shared/rpm.sh
. "$2/scripts/parity/shared/rpm.sh"
rpm_image "$1" sqlite el9 "Rocky Enterprise Software Foundation" var/lib/rpm
os_release "$1/root" 'NAME="Rocky Linux"' 'ID="rocky"' 'VERSION_ID="9.3"' 'PRETTY_NAME="Rocky Linux 9.3 (Blue Onyx)"'
mkdir -p "$(dirname "$1/root/etc/redhat-release")"; echo "Rocky Linux release 9.3 (Blue Onyx)" >"$1/root/etc/redhat-release"
