#!/usr/bin/env bash
# RPM in Berkeley DB.
set -euo pipefail
# shellcheck source=scripts/parity/shared/rpm.sh
. "$2/scripts/parity/shared/rpm.sh"
rpm_image "$1" bdb el8 "Oracle America" var/lib/rpm
os_release "$1/root" 'NAME="Oracle Linux Server"' 'ID="ol"' 'VERSION_ID="8.9"'
mkdir -p "$(dirname "$1/root/etc/oracle-release")"; echo "Oracle Linux Server release 8.9" >"$1/root/etc/oracle-release"
