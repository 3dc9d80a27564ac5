#!/usr/bin/env bash
# RPM in ndb.
set -euo pipefail
# shellcheck source=scripts/parity/shared/rpm.sh
. "$2/scripts/parity/shared/rpm.sh"
rpm_image "$1" ndb lp155 "SUSE LLC <https://www.suse.com/>" usr/lib/sysimage/rpm
os_release "$1/root" 'NAME="SLES"' 'ID="sles"' 'VERSION_ID="15.5"'
