#!/usr/bin/env bash
# SBOM of a real 1.5 GB image: Syft, Trivy and countersign in turns on the same layouts, with time and peak memory.
#
#   scripts/bench/sbom.sh [RUNS]        default 3
#
# Images: scripts/bench/sbom-image.sh (made once, cached). Syft is built by scripts/install-peers.sh, Trivy comes from
# scripts/install-trivy.sh; COUNTERSIGN (default target/release/countersign), PEERS_BIN, TRIVY and BENCH_CACHE as elsewhere.
# `cold` is --no-cache, `cached` the same command again with a warm cache. Prints a table, and writes docs/sbom-linear.svg:
# time and memory over size, with real content and with the same packages in ever larger layers.
set -euo pipefail
runs=${1:-3}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
countersign=${COUNTERSIGN:-$root/target/release/countersign}
[ -x "$countersign" ] || { echo "bench: $countersign is missing: run \`cargo build --release\` (a debug build measures the wrong thing)" >&2; exit 2; }
export PEERS_BIN=${PEERS_BIN:-$root/.tools/peers/bin}
"$root/scripts/install-debian.sh" >&2
"$root/scripts/install-peers.sh" syft >&2
trivy=${TRIVY:-$("$root/scripts/install-trivy.sh" | tail -n 1)}
images=$("$here/sbom-image.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export HOME=$work/home XDG_CACHE_HOME=$work/cache XDG_STATE_HOME=$work/state
mkdir -p "$HOME" "$XDG_CACHE_HOME" "$XDG_STATE_HOME"
cd "$work"

measure() { # SIDE IMAGE COMMAND…: appends `side image seconds mib components`
  local side=$1 image=$2; shift 2
  /usr/bin/time -f '%e %M' -o "$work/time" "$@" >"$work/$side.out" 2>"$work/$side.err" \
    || { echo "bench: $side failed on $image" >&2; tail -n 20 "$work/$side.err" >&2; exit 1; }
  echo "$side $image $(awk '{ printf "%s %.0f", $1, $2 / 1024 }' "$work/time") $(python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1])).get("components") or []))' "$work/$side.out")" >>"$work/results"
  tail -n 1 "$work/results" | awk '{ printf "%-12s %-11s %6.2f s %5d MiB %6d components\n", $1, $2, $3, $4, $5 }' >&2
}
syft() { SYFT_CHECK_FOR_APP_UPDATE=false measure syft "$1" "$PEERS_BIN/syft" scan "oci-dir:$images/$1" --quiet --output cyclonedx-json; }
trivy() {
  # A fresh cache each time; the Java database would be a download, and is not needed to list packages.
  rm -rf "$work/trivy"; mkdir -p "$work/trivy/java-db"
  python3 "$here/empty_java_db.py" "$work/trivy/java-db"
  measure trivy "$1" "$trivy" image --input "$images/$1" --format cyclonedx --cache-dir "$work/trivy" --skip-db-update --skip-java-db-update \
    --skip-check-update --skip-vex-repo-update --offline-scan --skip-version-check --disable-telemetry --quiet
}
cold() { measure cold "$1" "$countersign" sbom "$images/$1" --no-cache --quiet; }
cached() { measure cached "$1" "$countersign" sbom "$images/$1" --quiet; }

for image in big-gzip big-zstd; do
  "$countersign" sbom "$images/$image" --quiet >/dev/null   # fills the cache, and the kernel's
  for _ in $(seq "$runs"); do for side in syft trivy cold cached; do "$side" "$image"; done; done
done
for image in small-gzip mid-gzip pad-0.1 pad-0.5 pad-1.5; do for _ in $(seq "$runs"); do cold "$image"; done; done
python3 "$here/sbom_report.py" "$work/results" "$images/summary" "${SVG:-$root/docs/sbom-linear.svg}"
