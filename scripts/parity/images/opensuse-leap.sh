#!/usr/bin/env bash
# RPM in ndb.
set -euo pipefail
# shellcheck source=scripts/parity/shared/rpm.sh
. "$2/scripts/parity/shared/rpm.sh"
rpm_image "$1" ndb lp155 "openSUSE" usr/lib/sysimage/rpm
os_release "$1/root" 'NAME="openSUSE Leap"' 'ID="opensuse-leap"' 'VERSION_ID="15.5"'
