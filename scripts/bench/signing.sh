#!/usr/bin/env bash
# How long `countersign promote` takes to sign and attach everything of a two-platform release, on the real Sigstore whose log
# publishes once a second: the time between the lines of the steps before and after, and the log entries made.
#
#   scripts/bench/signing.sh [RUNS]         default 5
#
# Environment as in scripts/bench/pipeline.sh.
set -euo pipefail
runs=${1:-5}
# shellcheck source=scripts/bench/setting.sh
. "$(dirname "$0")/setting.sh"
layout=$("$interop/image.sh"); summary=$(dirname "$layout")/summary
index=$(awk '$1 == "index" { print $2 }' "$summary")
for run in $(seq "$runs"); do
  "$countersign" push "$layout" "$registry/bench/signing$run" >&2
  promote "$registry/bench/signing$run@$index" >"$work/out" \
    2> >(python3 -u -c 'import sys, time
for line in sys.stdin: print(f"{time.monotonic():.3f} {line}", end="", flush=True)' >"$work/steps") \
    || { tail -n 20 "$work/steps" "$work/out" >&2; exit 1; }
  sleep 0.2
  awk '$2 == "decide" { from = $1 } $2 == "attest" { print $1 - from, $3 }' "$work/steps" | tee -a "$work/results" >&2
done
python3 - "$work/results" <<'PY'
import os, statistics, sys
lines = [line.split() for line in open(sys.argv[1])]
seconds, entries = [float(line[0]) for line in lines], {line[1] for line in lines}
print(f"\nsign, log and attach {'/'.join(entries)} attestations of two platforms, {len(seconds)} runs, load {os.getloadavg()[0]:.1f}: "
      f"median {statistics.median(seconds):.2f} s, least {min(seconds):.2f}, most {max(seconds):.2f}")
PY
