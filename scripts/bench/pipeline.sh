#!/usr/bin/env bash
# One release of a real two-platform image, twice: by a shell pipeline of syft, trivy, cosign and crane, and by countersign.
#
#   scripts/bench/pipeline.sh [RUNS]        default 3
#
# Same image, same registry (Debian's docker-registry), same Sigstore; a fresh repository and cold caches each time.
# RTT_MS=50 puts the registry that far away. COUNTERSIGN, SANDBOX (default target/release/…), TRIVY_DB as in scripts/interop/run.sh.
# Prints a table: seconds (median, least, most), requests the registry saw, and the ratio of the medians.
set -euo pipefail
runs=${1:-3}
# shellcheck source=scripts/bench/setting.sh
. "$(dirname "$0")/setting.sh"
layout=$("$interop/image.sh"); summary=$(dirname "$layout")/summary
digest_of() { awk -v name="$1" '$1 == name { print $2 }' "$summary"; }
index=$(digest_of index)
quiet=(--skip-db-update --skip-check-update --skip-vex-repo-update --offline-scan --skip-version-check --disable-telemetry --quiet)

shell_pipeline() { # REPOSITORY
  local repository=$1 node digest out=$work/shell trust sign
  rm -rf "$out"; mkdir -p "$out"
  sign=(-y --signing-config "$SIGNING_CONFIG" --trusted-root "$TRUSTED_ROOT" --identity-token "$(token)")
  trust=(--trusted-root "$TRUSTED_ROOT" --certificate-identity releaser@example.com --certificate-oidc-issuer "$ISSUER_URL")
  for node in linux/amd64 linux/arm64; do
    digest=$(digest_of $node)
    SYFT_CHECK_FOR_APP_UPDATE=false SYFT_REGISTRY_INSECURE_USE_HTTP=true \
      "$bin/syft" scan "registry:$repository@$digest" --quiet --output "cyclonedx-json=$out/${node#*/}.sbom"
    "$trivy" image --image-src remote --insecure --scanners vuln --format json --cache-dir "$trivy_db" --cache-backend memory "${quiet[@]}" \
      --output "$out/${node#*/}.json" "$repository@$digest"
    "$trivy" convert --quiet --format cosign-vuln --output "$out/${node#*/}.vuln" "$out/${node#*/}.json"
    jq -e '[.Results[]?.Vulnerabilities[]? | select(.Severity == "CRITICAL")] | length == 0' "$out/${node#*/}.json" >/dev/null || true
  done
  "$bin/cosign" sign -r "${sign[@]}" "$repository@$index"
  for node in linux/amd64 linux/arm64; do
    digest=$(digest_of $node)
    "$bin/cosign" attest "${sign[@]}" --type cyclonedx --predicate "$out/${node#*/}.sbom" "$repository@$digest"
    "$bin/cosign" attest "${sign[@]}" --type vuln --predicate "$out/${node#*/}.vuln" "$repository@$digest"
  done
  for node in index linux/amd64 linux/arm64; do "$bin/cosign" verify "${trust[@]}" "$repository@$(digest_of $node)"; done
  for node in linux/amd64 linux/arm64; do
    "$bin/cosign" verify-attestation "${trust[@]}" --type cyclonedx "$repository@$(digest_of $node)"
    "$bin/cosign" verify-attestation "${trust[@]}" --type vuln "$repository@$(digest_of $node)"
  done
  for tag in v1.2.3 1.2.3 1.2 1 latest; do "$bin/crane" tag --insecure "$repository@$index" "$tag"; done
}

gate() { promote "$1@$index"; }

measure() { # SIDE RUN COMMAND: appends `side seconds requests` to the results
  local side=$1 repository=$registry/bench/$1-$2 before began ended
  # Straight to the registry: pushing is the build's work, on neither side.
  "$bin/crane" push --insecure "$layout" "$REGISTRY_DOCKER/bench/$1-$2@$index" >/dev/null 2>&1
  before=$(grep -c '" [0-9][0-9][0-9] ' "$access_log" || true)
  began=$(date +%s%N)
  "$3" "$repository" >"$work/$side.out" 2>"$work/$side.err" || { echo "bench: $side failed" >&2; tail -n 20 "$work/$side.err" >&2; exit 1; }
  ended=$(date +%s%N)
  sleep 0.2
  echo "$side $(((ended - began) / 1000000)) $(($(grep -c '" [0-9][0-9][0-9] ' "$access_log") - before))" >>"$work/results"
  tail -n 1 "$work/results" | awk -v run="$2" '{ printf "run %s: %-8s %6.1f s %4d requests\n", run, $1, $2 / 1000, $3 }' >&2
}

for run in $(seq "$runs"); do
  measure shell "$run" shell_pipeline
  measure countersign "$run" gate
done
python3 - "$work/results" "${RTT_MS:-0}" <<'PY'
import os, statistics, sys
rows = [line.split() for line in open(sys.argv[1])]
print(f"\nrelease of two platforms, registry {sys.argv[2]} ms away, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
print(f"{'':24}{'seconds':>9}{'least':>8}{'most':>8}{'requests':>10}")
medians = {}
for side, title in (("shell", "syft+trivy+cosign+crane"), ("countersign", "countersign promote")):
    seconds = [int(ms) / 1000 for name, ms, _ in rows if name == side]
    requests = [int(n) for name, _, n in rows if name == side]
    medians[side] = statistics.median(seconds)
    print(f"{title:24}{medians[side]:9.1f}{min(seconds):8.1f}{max(seconds):8.1f}{statistics.median(requests):10.0f}")
print(f"ratio {medians['shell'] / medians['countersign']:.1f}")
PY
