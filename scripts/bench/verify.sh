#!/usr/bin/env bash
# `countersign verify` next to cosign, in turns in the same run: one signature, and the whole tree of a two-platform release.
#
#   scripts/bench/verify.sh [RUNS]          default 7
#
# The release is made once by `countersign promote` on docker-registry (no referrers API) and on olareg (with it), on the real
# Sigstore; cosign verifies the very same attestations. RTT_MS (default 50) puts both registries that far away.
# COUNTERSIGN, SANDBOX (default target/release/…), TRIVY_DB as in scripts/interop/run.sh.
# Prints seconds (median, least, most), requests on docker-registry, peak memory; fails above the limits below with STRICT=1.
set -euo pipefail
runs=${1:-7}
export RTT_MS=${RTT_MS:-50}
# shellcheck source=scripts/bench/setting.sh
. "$(dirname "$0")/setting.sh"
layout=$("$interop/image.sh"); summary=$(dirname "$layout")/summary
digest_of() { awk -v name="$1" '$1 == name { print $2 }' "$summary"; }
index=$(digest_of index)
far() { # HOST: the same registry behind the delay
  [ "$RTT_MS" != 0 ] || { echo "$1"; return; }
  local port; port=$(free_ports 1)
  launch "delay-$port" "$INTEROP_VENV/bin/python" "$interop/forward.py" "$port" "$1" "$RTT_MS" >&2
  await "delay-$port" "http://127.0.0.1:$port/v2/" >&2
  echo "127.0.0.1:$port"
}
cosign_trust=(--trusted-root "$TRUSTED_ROOT" --certificate-identity releaser@example.com --certificate-oidc-issuer "$ISSUER_URL")
our_trust=(--trust-root "$TRUSTED_ROOT" --issuer "$ISSUER_URL" --identity releaser@example.com)

one_cosign() { "$bin/cosign" verify "${cosign_trust[@]}" "$1@$(digest_of linux/amd64)"; }
one_countersign() { "$countersign" verify "${our_trust[@]}" --require signature "$1@$(digest_of linux/amd64)"; }
tree_cosign() { # the seven checks that cover what the other side looks at
  local node
  for node in index linux/amd64 linux/arm64; do "$bin/cosign" verify "${cosign_trust[@]}" "$1@$(digest_of $node)" || return; done
  for node in linux/amd64 linux/arm64; do
    "$bin/cosign" verify-attestation "${cosign_trust[@]}" --type cyclonedx "$1@$(digest_of $node)" || return
    "$bin/cosign" verify-attestation "${cosign_trust[@]}" --type vuln "$1@$(digest_of $node)" || return
  done
}
tree_countersign() { "$countersign" verify "${our_trust[@]}" --require signature,sbom,vulnerability --children signed "$1@$index"; }

requests() { grep -c '" [0-9][0-9][0-9] ' "$access_log" || true; }

measure() { # REGISTRY-NAME REPOSITORY WHAT SIDE
  local before began ended
  before=$(requests); began=$(date +%s%N)
  "$3_$4" "$2" >"$work/out" 2>"$work/err" || { echo "bench: $3 by $4 on $1 failed" >&2; tail -n 20 "$work/err" "$work/out" >&2; exit 1; }
  ended=$(date +%s%N)
  sleep 0.1
  echo "$1 $3 $4 $(((ended - began) / 1000000)) $(($(requests) - before))" >>"$work/results"
}

for name in docker-registry olareg; do
  case $name in docker-registry) near=$REGISTRY_DOCKER ;; *) near=$REGISTRY_OLAREG ;; esac
  "$countersign" push "$layout" "$near/bench/verify" >&2
  promote "$near/bench/verify@$index" >"$work/promote.out" 2>"$work/promote.err" || { tail -n 20 "$work/promote.err" "$work/promote.out" >&2; exit 1; }
  # What promote wrote a promotion configuration for must not decide here.
  rm -f "$work/countersign.yaml"
  repository=$(far "$near")/bench/verify
  for _ in $(seq "$runs"); do
    for what in one tree; do for side in cosign countersign; do measure "$name" "$repository" "$what" "$side"; done; done
  done
  python3 "$bench/peak_memory.py" "$work/memory-$name" "$countersign" verify "${our_trust[@]}" --require signature,sbom,vulnerability --all \
    "$repository@$index" >"$work/out" 2>&1 || { tail -n 5 "$work/out" >&2; exit 1; }
done
python3 - "$work/results" "$RTT_MS" <<'PY'
import os, statistics, sys
rows = [line.split() for line in open(sys.argv[1])]
print(f"\nverify, registry {sys.argv[2]} ms away, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
print(f"{'':16}{'':28}{'seconds':>9}{'least':>8}{'most':>8}{'requests':>10}")
titles = {"one": "one signature", "tree": "whole tree"}
late = []
for registry in ("docker-registry", "olareg"):
    for what in ("one", "tree"):
        median = {}
        for side in ("cosign", "countersign"):
            mine = [r for r in rows if r[:3] == [registry, what, side]]
            seconds, requests = [int(r[3]) / 1000 for r in mine], statistics.median(int(r[4]) for r in mine)
            median[side] = statistics.median(seconds)
            shown = f"{requests:10.0f}" if registry == "docker-registry" else f"{'-':>10}"
            print(f"{registry:16}{titles[what] + ', ' + side:28}{median[side]:9.2f}{min(seconds):8.2f}{max(seconds):8.2f}{shown}")
            if side == "countersign" and what == "one":
                if median[side] > 0.25: late.append(f"{registry}: one signature took {median[side]:.2f} s, limit 0.25")
                if registry == "docker-registry" and requests > 5: late.append(f"one signature took {requests:.0f} requests, limit 5")
        print(f"{'':16}{'ratio':28}{median['cosign'] / median['countersign']:9.1f}")
        if what == "tree" and median["cosign"] < 10 * median["countersign"]: late.append(f"{registry}: the tree is less than ten times faster")
print("\n".join(late))
sys.exit(1 if late and os.environ.get("STRICT") else 0)
PY
for name in docker-registry olareg; do
  echo "peak memory, whole tree with --all, $name: $(awk '$1 == "tree" { print $2 }' "$work/memory-$name") MiB (limit 100)"
done
