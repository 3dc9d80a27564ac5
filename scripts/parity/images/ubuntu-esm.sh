#!/usr/bin/env bash
# Ubuntu 20.04 with extended maintenance. No registry here has Ubuntu's packages: the database has the form and the names of
# Ubuntu's, with its epochs, sources and binary rebuilds.
set -euo pipefail
root=$1/root
mkdir -p "$root/etc" "$root/usr/lib" "$root/var/lib/dpkg/info" "$root/var/lib/ubuntu-advantage"
printf '%s\n' 'NAME="Ubuntu"' 'VERSION_ID="20.04"' 'ID=ubuntu' 'ID_LIKE=debian' 'PRETTY_NAME="Ubuntu 20.04.6 LTS"' >"$root/usr/lib/os-release"
ln -s ../usr/lib/os-release "$root/etc/os-release"
printf 'DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=20.04\nDISTRIB_CODENAME=focal\n' >"$root/etc/lsb-release"
echo bullseye/sid >"$root/etc/debian_version"
echo '{"attached": true, "services": [{"name": "esm-apps", "status": "disabled"}, {"name": "esm-infra", "status": "enabled"}]}' >"$root/var/lib/ubuntu-advantage/status.json"
package() { # NAME VERSION SOURCE STATUS
  printf 'Package: %s\nStatus: %s\nPriority: optional\nArchitecture: amd64\n' "$1" "$4"
  [ -z "$3" ] || echo "Source: $3"
  printf 'Version: %s\nMaintainer: Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>\nDescription: x\n long\n .\n text\n\n' "$2"
}
{
  package bash 5.0-6ubuntu1.2 "" "install ok installed"
  package libssl1.1 1.1.1f-1ubuntu2.22 openssl "install ok installed"
  package zlib1g 1:1.2.11.dfsg-2ubuntu1.5 zlib "install ok installed"
  package libc6 2.31-0ubuntu9.16 glibc "install ok installed"
  package libgcc-s1 10.5.0-1ubuntu1~20.04 gcc-10 "install ok installed"
  package libpython3.8-minimal 3.8.10-0ubuntu1~20.04.9 python3.8 "hold ok installed"
  package login 1:4.8.1-1ubuntu5.20.04.5 shadow "install ok installed"
  package grub-common 2.04-1ubuntu26.17 'grub2-unsigned (2.04-1ubuntu44)' "install ok installed"
  package removed 1.0 "" "deinstall ok config-files"
} >"$root/var/lib/dpkg/status"
