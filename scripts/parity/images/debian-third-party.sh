#!/usr/bin/env bash
# Debian with packages of other repositories, in layers of their own: Trivy knows them by their maintainers, and looks at
# the language packages that they install, but not at those of Debian's packages.
set -euo pipefail
export SOURCE_DATE_EPOCH=1735689600
work=$1
mkdir "$work/layers"
mmdebstrap --quiet --components=main --variant=minbase --include=node-semver,node-abbrev bookworm "$work/layers/0.tar"
deb() { # NAME VERSION MAINTAINER
  local folder=$work/deb-$1 modules=$work/deb-$1/usr/lib/node_modules/$1-inside
  mkdir -p "$folder/DEBIAN" "$modules"
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: %s\nDescription: x\n' "$1" "$2" "$3" >"$folder/DEBIAN/control"
  printf '{"name":"%s-inside","version":"%s"}' "$1" "${2%%-*}" >"$modules/package.json"
  (cd "$folder" && find usr -type f -print0 | xargs -0 md5sum >DEBIAN/md5sums)
  dpkg-deb --root-owner-group --build "$folder" "$work/$1.deb" >/dev/null
}
deb nodejs-vendor 20.9.0-1nodesource1 'NodeSource Packaging <support@nodesource.com>'
deb nginx 1.24.0-1~bookworm 'NGINX Packaging <nginx-packaging@f5.com>'
deb gh 2.40.0 GitHub
deb ordinary 1:2.3-4+b1 'Debian Javascript Maintainers <pkg-javascript-devel@lists.alioth.debian.org>'
mkdir "$work/lower" "$work/upper"
tar --extract --file "$work/layers/0.tar" --directory "$work/lower" ./var/lib/dpkg
cp -a "$work/lower/." "$work/upper/"
dpkg --force-not-root --force-all --log=/dev/null --root="$work/upper" --unpack "$work"/*.deb >/dev/null
# What a package's list names in a lower layer is not the package's any more once a higher layer has replaced it.
mkdir -p "$work/top/usr/share/nodejs/semver" "$work/top/usr/lib/node_modules/ordinary-inside"
printf '{"name":"ordinary-inside","version":"9.9.9"}' >"$work/top/usr/lib/node_modules/ordinary-inside/package.json"
for layer in upper top; do
  tar --create --file "$work/layers/$layer.tar" --directory "$work/$layer" --sort=name --mtime=@1735689600 --owner=0 --group=0 --numeric-owner .
done
mv "$work/layers/upper.tar" "$work/layers/1.tar"; mv "$work/layers/top.tar" "$work/layers/2.tar"
