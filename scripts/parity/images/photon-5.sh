#!/usr/bin/env bash
# RPM in SQLite; advisories by source package.
set -euo pipefail
# shellcheck source=scripts/parity/shared/rpm.sh
. "$2/scripts/parity/shared/rpm.sh"
rpm_image "$1" sqlite ph5 "VMware, Inc." var/lib/rpm
os_release "$1/root" 'NAME="VMware Photon OS"' 'ID=photon' 'VERSION_ID=5.0'
