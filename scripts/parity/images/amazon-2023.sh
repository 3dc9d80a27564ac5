#!/usr/bin/env bash
# RPM in SQLite; some packages name no vendor.
set -euo pipefail
# shellcheck source=scripts/parity/shared/rpm.sh
. "$2/scripts/parity/shared/rpm.sh"
rpm_image "$1" sqlite amzn2023 "Amazon Linux" var/lib/rpm
os_release "$1/root" 'NAME="Amazon Linux"' 'ID="amzn"' 'VERSION_ID="2023"'
mkdir -p "$(dirname "$1/root/etc/system-release")"; echo "Amazon Linux release 2023.4.20240416 (Amazon Linux)" >"$1/root/etc/system-release"
