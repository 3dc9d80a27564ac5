# shellcheck shell=bash
# Sourced by the RPM images: packages built by rpmbuild and entered into a database by rpm itself, in the wanted format.
# Names, epochs, splits and file lists are those of the real packages; the files are empty but for those of languages.

# rpm_image WORK BACKEND DIST VENDOR DATABASE-FOLDER     BACKEND: sqlite, ndb or bdb
rpm_image() {
  local work=$1 backend=$2 dist=$3 vendor=$4 folder=$5 root=$1/root
  mkdir -p "$work/rpms" "$work/specs" "$root/$folder"
  specs "$work/specs" "$dist" "$vendor"
  for spec in "$work"/specs/*.spec; do
    rpmbuild --quiet -bb --target x86_64 --buildroot "$work/buildroot" --define "_topdir $work/top" --define "_rpmdir $work/rpms" \
      --define '__os_install_post %{nil}' --define '__spec_install_post %{nil}' --define 'debug_package %{nil}' \
      --define "staged $work/staged" "$spec"
    [ ! -d "$work/staged" ] || { cp -a "$work/staged/." "$root/"; rm -rf "$work/staged"; }
  done
  rpm --define "_db_backend sqlite" --define "_pkgverify_level none" --dbpath "$root/$folder" --justdb --nodeps --noscripts --force \
    --ignorearch --ignoreos -i "$work"/rpms/*/*.rpm
  case $backend in
    bdb) to_berkeley "$root/$folder" ;;
    ndb) to_ndb "$root/$folder" ;;
  esac
  rm -rf "$work/rpms" "$work/specs" "$work/top"
  find "$root/$folder" -name '.rpm.lock' -delete
  find "$root/$folder" -type f -name 'rpmdb.sqlite-*' -delete
}

# RPM no longer writes Berkeley DB, but the format of its records is the same: the package's number, and its header.
to_berkeley() { # FOLDER
  python3 - "$1/rpmdb.sqlite" <<'PY' | db5.3_load -c db_pagesize="${BERKELEY_PAGE:-4096}" "$1/Packages"
import sqlite3, struct, sys
print("VERSION=3\nformat=bytevalue\ntype=hash\nHEADER=END")
rows = list(sqlite3.connect(sys.argv[1]).execute("select hnum, blob from Packages"))
print(" 00000000\n", struct.pack("<I", len(rows)).hex())
for number, blob in rows:
    print("", struct.pack("<I", number).hex())
    print("", blob.hex())
print("DATA=END")
PY
  rm -f "$1"/rpmdb.sqlite*
}

# Debian's RPM is built without ndb. Layout as in RPM's lib/backend/ndb/rpmpkg.c: a header, slots that fill whole pages,
# and the headers in blocks of 16 bytes between a head and a tail.
to_ndb() { # FOLDER
  python3 - "$1/rpmdb.sqlite" "$1/Packages.db" <<'PY'
import sqlite3, struct, sys, zlib
rows = list(sqlite3.connect(sys.argv[1]).execute("select hnum, blob from Packages"))
pages = (len(rows) + 2) // 256 + 1
slots, blobs, block = [], b"", pages * 256
for number, blob in rows:
    head = struct.pack("<4s3I", b"BlbS", number, zlib.adler32(blob), len(blob))
    padding = b"\0" * (-(len(head) + len(blob) + 12) % 16)
    whole = head + blob + padding + struct.pack("<2I4s", zlib.adler32(blob), len(blob), b"BlbE")
    slots.append(struct.pack("<4s3I", b"Slot", number, block, len(whole) // 16))
    blobs += whole
    block += len(whole) // 16
slots += [struct.pack("<4s3I", b"Slot", 0, 0, 0)] * (pages * 256 - 2 - len(slots))
header = struct.pack("<4s7I", b"RpmP", 0, 1, pages, len(rows) + 1, 0, 0, 0)
open(sys.argv[2], "wb").write(header + b"".join(slots) + blobs)
PY
  rm -f "$1"/rpmdb.sqlite*
}

# spec NAME VERSION RELEASE EPOCH VENDOR LABEL SUBPACKAGE…       on standard input: the main package's files, one a line
spec() {
  local folder=$1 name=$2 version=$3 release=$4 epoch=$5 vendor=$6 label=$7 files; shift 7
  files=$(cat)
  {
    printf 'Name: %s\nVersion: %s\nRelease: %s\nSummary: %s\nLicense: MIT and GPL-2.0-only\n' "$name" "$version" "$release" "$name"
    [ "$epoch" = 0 ] || echo "Epoch: $epoch"
    [ -z "$vendor" ] || echo "Vendor: $vendor"
    [ -z "$label" ] || echo "ModularityLabel: $label"
    printf '%%description\n%s\n' "$name"
    for sub in "$@"; do
      printf '%%package -n %s\nSummary: %s\nRequires: %s\n' "$sub" "$sub" "$name"
      printf '%%description -n %s\n%s\n' "$sub" "$sub"
    done
    echo '%install'
    # shellcheck disable=SC2016
    while read -r file; do
      [ -z "$file" ] || printf 'mkdir -p "$(dirname %%{buildroot}%s)"; : > %%{buildroot}%s\n' "$file" "$file"
    done <<<"$files"
    language_files "$name" "$version"
    printf '%%files\n%s\n' "$files"
    for sub in "$@"; do printf '%%files -n %s\n' "$sub"; done
  } >"$folder/$name-$version.spec"
}

# Content of the files by which languages know their packages; staged, so that they end up in the image.
language_files() { # NAME VERSION
  case $1 in
    python3-pip) echo "printf 'Metadata-Version: 2.1\nName: pip\nVersion: $2\n' > %{buildroot}/usr/lib/python3.9/site-packages/pip-$2.dist-info/METADATA" ;;
    npm | nodesource-npm) echo "printf '{\"name\":\"$1\",\"version\":\"$2\"}' > %{buildroot}/usr/lib/node_modules/$1/package.json" ;;
  esac
  echo 'mkdir -p %{staged}; [ ! -d %{buildroot}/usr/lib ] || { mkdir -p %{staged}/usr; cp -a %{buildroot}/usr/lib %{staged}/usr/; }'
}

specs() { # FOLDER DIST VENDOR
  local folder=$1 dist=$2 vendor=$3 many=()
  spec "$folder" bash 5.1.8 "9.$dist" 0 "$vendor" "" <<<'/usr/bin/bash'
  spec "$folder" openssl 3.0.7 "24.$dist" 1 "$vendor" "" openssl-libs openssl-devel <<<'/usr/bin/openssl'
  spec "$folder" glibc 2.34 "100.${dist}_4.2" 0 "$vendor" "" glibc-common glibc-minimal-langpack 'libstdc++' <<<'/lib64/libc.so.6'
  spec "$folder" python3-pip 21.2.3 "8.$dist" 0 "$vendor" "" <<<'/usr/lib/python3.9/site-packages/pip-21.2.3.dist-info/METADATA'
  spec "$folder" npm 8.19.4 "1.16.20.2.8.module_${dist}+19408" 1 "$vendor" "nodejs:18:8080020231024120000:63b34585" <<<'/usr/lib/node_modules/npm/package.json'
  spec "$folder" kernel-headers 5.14.0 "427.$dist" 0 "$vendor" "" < <(for i in $(seq 4000); do echo "/usr/src/kernels/linux/subsystem-$((i % 40))/header-$i.h"; done)
  # Other repositories: their packages have no advisories here, and what they install is nobody's but its own.
  spec "$folder" nodesource-npm 9.9.9 1nodesource 0 "NodeSource" "" <<<'/usr/lib/node_modules/nodesource-npm/package.json'
  spec "$folder" nginx 1.24.0 "1.$dist.ngx" 1 "" "" nginx-module-njs <<<'/usr/sbin/nginx'
  spec "$folder" gpg-pubkey 8483c65d 5ccc5b19 0 "" "" <<<'/usr/share/keys/one'
  for i in $(seq 120); do many+=("perl-Part-$i"); done
  spec "$folder" perl-Parts 1.20 "3.$dist" 4 "$vendor" "" "${many[@]}" <<<'/usr/share/perl5/parts'
}

os_release() { # ROOT LINE…
  local root=$1; shift
  mkdir -p "$root/etc" "$root/usr/lib"
  printf '%s\n' "$@" >"$root/usr/lib/os-release"
  ln -sf ../usr/lib/os-release "$root/etc/os-release"
}
