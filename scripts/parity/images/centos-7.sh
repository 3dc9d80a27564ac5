#!/usr/bin/env bash
# RPM in Berkeley DB.
set -euo pipefail
# shellcheck source=scripts/parity/shared/rpm.sh
. "$2/scripts/parity/shared/rpm.sh"
rpm_image "$1" bdb el7 "CentOS" var/lib/rpm
os_release "$1/root" 'NAME="CentOS Linux"' 'ID="centos"' 'VERSION_ID="7"'
mkdir -p "$(dirname "$1/root/etc/centos-release")"; echo "CentOS Linux release 7.9.2009 (Core)" >"$1/root/etc/centos-release"
