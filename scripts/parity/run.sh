#!/usr/bin/env bash
# `make parity`: for images of every kind, the findings of `trivy image` are the findings of `countersign scan`.
#
#   scripts/parity/run.sh [NAME…]        default: every script of scripts/parity/images/
#
# COUNTERSIGN, SANDBOX   the two binaries (default target/debug/…)
# TRIVY                  the real Trivy (default: scripts/install-trivy.sh)
# PARITY_CACHE           where finished images are kept, by the hash of the script that made them (default .tools/parity)
# PARITY_KEEP=DIR        keep reports and databases in DIR
#
# An image is a script `images/NAME.sh WORK [ROOT]`: WORK is an empty folder, ROOT the checkout. It leaves either WORK/root/,
# a file system of one layer, or WORK/layers/*.tar, uncompressed and in the order of their names. It takes packages from
# package registries only, and writes nothing outside WORK. Programs it needs are in scripts/install-debian.sh. Files that
# several scripts use are in shared/.
#
# No public database has advisories for all of these packages. So the database is made for the image (advisories.py): every
# package that Trivy or our SBOM lists has one advisory that matches it by a hair and one that does not. An image without
# findings fails. Prints one line per image; last line: `N passed, N failed`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
countersign=${COUNTERSIGN:-$root/target/debug/countersign}
sandbox=${SANDBOX:-$root/target/debug/countersign-sandbox}
cache=${PARITY_CACHE:-$root/.tools/parity}
for program in "$countersign" "$sandbox"; do
  [ -x "$program" ] || { echo "parity: $program is missing: run \`make build\`" >&2; exit 2; }
done
"$root/scripts/install-debian.sh"
trivy=${TRIVY:-$("$root/scripts/install-trivy.sh" | tail -n 1)}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$cache" "$scratch/empty"
# Neither tool may find a configuration by looking around.
export XDG_CACHE_HOME=$scratch/cache
cd "$scratch/empty"

build() { # NAME: its layout, made once; prints the folder
  local script=$here/images/$1.sh key out work
  # An image may begin as another one.
  key=$(cat "$script" $(grep -o 'images/[a-z0-9-]*\.sh' "$script" | sed "s#^#$here/#") "$here/layout.py" "$here"/shared/* | sha256sum | cut -c1-16)
  out=$cache/$1-$key
  if [ ! -f "$out/digest" ]; then
    rm -rf "${cache:?}/$1"-[0-9a-f]*
    work=$scratch/build-$1; mkdir "$work"
    if ! "$script" "$work" "$root" >"$scratch/$1.log" 2>&1; then tail -n 20 "$scratch/$1.log" >&2; return 1; fi
    if [ -d "$work/root" ]; then
      mkdir "$work/layers"
      tar --create --file "$work/layers/0.tar" --directory "$work/root" --sort=name --mtime=@1735689600 --owner=0 --group=0 --numeric-owner .
    fi
    mkdir -p "$out"
    [ ! -f "$work/java-db.tsv" ] || cp "$work/java-db.tsv" "$out"
    python3 "$here/layout.py" "$out/layout" "$work"/layers/*.tar >"$out/digest.new" || return 1
    mv "$out/digest.new" "$out/digest"
    chmod -R u+w "$work"; rm -rf "$work"
  fi
  echo "$out"
}

java_database() { # DIR TSV: one without which Trivy refuses to read an image with JARs; of what the image says, if anything
  mkdir -p "$1/java-db"
  python3 - "$1/java-db" "$2" <<'PY'
import json, pathlib, sqlite3, sys
folder, known = map(pathlib.Path, sys.argv[1:])
with sqlite3.connect(folder / "trivy-java.db") as database:
    database.executescript(
        "create table artifacts(id integer primary key, group_id text, artifact_id text);"
        "create table indices(artifact_id integer, version text, sha1 blob, archive_type text);"
        "create unique index artifacts_idx on artifacts(artifact_id, group_id);"
        "create unique index indices_sha1_idx on indices(sha1);"
    )
    for number, line in enumerate(known.read_text().splitlines() if known.exists() else [], 1):
        group, artifact, version, sha1 = line.split("\t")
        database.execute("insert into artifacts values(?,?,?)", (number, group, artifact))
        database.execute("insert into indices values(?,?,?,?)", (number, version, bytes.fromhex(sha1), "jar"))
metadata = {"Version": 1, "NextUpdate": "2099-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z", "DownloadedAt": "2099-01-01T00:00:00Z"}
(folder / "metadata.json").write_text(json.dumps(metadata))
PY
}

quiet=(--quiet --skip-db-update --skip-java-db-update --skip-vex-repo-update --offline-scan --skip-version-check
  --disable-telemetry --scanners vuln --list-all-pkgs --format json --config "" --ignorefile "")

compare() { # NAME LAYOUT DIGEST OUT
  local name=$1 image=$2@$3 out=$4 known status=0
  known=$(dirname "$2")/java-db.tsv
  rm -rf "$out"; mkdir -p "$out"
  # Nearly empty: of a Red Hat image whose repositories it does not know, Trivy does not even list the packages.
  python3 "$here/advisories.py" >"$out/none.json"
  "$sandbox" trivy-db --advisories "$out/none.json" --out "$out/empty" >/dev/null
  java_database "$out/empty" "$known"
  "$trivy" image "${quiet[@]}" --cache-dir "$out/empty" --input "$image" >"$out/packages.json" || return 1
  "$countersign" sbom "$2" >"$out/sbom.json" || return 1
  "$trivy" sbom "${quiet[@]}" --cache-dir "$out/empty" "$out/sbom.json" >"$out/sbom-packages.json" || return 1
  python3 "$here/advisories.py" "$out/packages.json" "$out/sbom-packages.json" >"$out/advisories.json" || return 1
  "$sandbox" trivy-db --advisories "$out/advisories.json" --out "$out/db" >/dev/null || return 1
  java_database "$out/db" "$known"
  "$trivy" image "${quiet[@]}" --cache-dir "$out/db" --input "$image" >"$out/trivy.json" || return 1
  # 3: denied by policy, which is not what is asked here.
  "$countersign" scan "$2" --output json --trivy "$trivy" --trivy-db "$out/db" >"$out/scan.json" 2>"$out/scan.err" || status=$?
  if [ "$status" != 0 ] && [ "$status" != 3 ]; then cat "$out/scan.err" >&2; return 1; fi
  python3 "$here/compare.py" "$name" "$out/trivy.json" "$out/scan.json" "$out/sbom-packages.json"
}

if [ $# -eq 0 ]; then for script in "$here"/images/*.sh; do name=$(basename "$script" .sh); set -- "$@" "$name"; done; fi
passed=0 failed=0
for name in "$@"; do
  if out=$(build "$name") && compare "$name" "$out/layout" "$(cat "$out/digest")" "${PARITY_KEEP:-$scratch/reports}/$name"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1)); echo "$name: FAILED"
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
