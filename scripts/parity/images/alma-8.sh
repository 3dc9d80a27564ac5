#!/usr/bin/env bash
# RPM in Berkeley DB, and modules.
set -euo pipefail
# shellcheck source=scripts/parity/shared/rpm.sh
. "$2/scripts/parity/shared/rpm.sh"
rpm_image "$1" bdb el8 "AlmaLinux" var/lib/rpm
os_release "$1/root" 'NAME="AlmaLinux"' 'ID="almalinux"' 'VERSION_ID="8.9"'
mkdir -p "$(dirname "$1/root/etc/almalinux-release")"; echo "AlmaLinux release 8.9 (Midnight Oncilla)" >"$1/root/etc/almalinux-release"
