# shellcheck shell=bash
# Sourced by the images with apk: a real database of Alpine 3.10, brought to another distribution's release.

# apk_image WORK CHECKOUT SED-EXPRESSION OS-RELEASE-LINE…
apk_image() {
  local root=$1/root checkout=$2 change=$3; shift 3
  mkdir -p "$root/etc/apk" "$root/lib/apk/db" "$root/usr/lib"
  sed -e 's/{{arch}}/x86_64/; s/{{openssl}}/1.1.1d-r0/' -e "$change" "$checkout/sandbox/src/image/samples/alpine-3.10.installed" >"$root/lib/apk/db/installed"
  # The last entry has no blank line after it, and owns the file of a language.
  mkdir -p "$root/usr/lib/node_modules/npm" "$root/usr/lib/node_modules/own"
  printf '\nP:npm\nV:10.2.5-r0\nA:x86_64\nL:Artistic-2.0\no:npm\nD:nodejs so:libc.musl-x86_64.so.1\nF:usr/lib/node_modules/npm\nR:package.json\n' >>"$root/lib/apk/db/installed"
  for name in npm own; do printf '{"name":"%s","version":"10.2.5"}' "$name" >"$root/usr/lib/node_modules/$name/package.json"; done
  printf '%s\n' "$@" >"$root/etc/os-release"
}
