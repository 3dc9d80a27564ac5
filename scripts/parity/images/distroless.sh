#!/usr/bin/env bash
# As distroless images are: no dpkg, one stanza per file in status.d with its list of files, each package its own layer.
set -euo pipefail
work=$1
mkdir "$work/layers" "$work/apt" "$work/debs"
cd "$work/debs"
number=0
for package in base-files tzdata libssl3 libc6 libgcc-s1 libstdc++6 python3-minimal node-semver; do
  apt-get download -qq "$package"
  root=$work/$package; mkdir -p "$root/var/lib/dpkg/status.d"
  dpkg-deb --extract "$package"_*.deb "$root"
  dpkg-deb --control "$package"_*.deb "$work/apt/$package"
  cp "$work/apt/$package/control" "$root/var/lib/dpkg/status.d/$package"
  cp "$work/apt/$package/md5sums" "$root/var/lib/dpkg/status.d/$package.md5sums"
  tar --create --file "$work/layers/$number.tar" --directory "$root" --sort=name --mtime=@1735689600 --owner=0 --group=0 --numeric-owner .
  number=$((number + 1))
done
