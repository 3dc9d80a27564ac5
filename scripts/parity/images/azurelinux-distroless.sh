#!/usr/bin/env bash
# Azure Linux without RPM: a list of what `rpm -qa` said, instead of a database.
set -euo pipefail
root=$1/root
mkdir -p "$root/etc" "$root/var/lib/rpmmanifest"
printf '%s\n' 'NAME="Microsoft Azure Linux"' 'ID=azurelinux' 'VERSION_ID="3.0"' >"$root/etc/os-release"
line() { # NAME VERSION-RELEASE ARCHITECTURE EPOCH SOURCE
  printf '%s\t%s\t1720000000\t1710000000\tMicrosoft Corporation\t(none)\t5000\t%s\t%s\t%s\n' "$@"
}
{
  line filesystem 1.1-21.azl3 x86_64 0 filesystem-1.1-21.azl3.src.rpm
  line openssl-libs 3.3.0-2.azl3 x86_64 0 openssl-3.3.0-2.azl3.src.rpm
  line glibc 2.38-8.azl3 x86_64 0 glibc-2.38-8.azl3.src.rpm
  line tzdata 2024a-1.azl3 noarch 0 tzdata-2024a-1.azl3.src.rpm
  line libgcc 13.2.0-7.azl3 x86_64 2 gcc-13.2.0-7.azl3.src.rpm
  line prebuilt-ca-certificates 3.0.0-8.azl3 noarch 1 prebuilt-ca-certificates-3.0.0-8.azl3.src.rpm
} >"$root/var/lib/rpmmanifest/container-manifest-2"
