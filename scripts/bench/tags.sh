#!/usr/bin/env bash
# Moving the five tags of a release: countersign next to oras, regctl, crane and skopeo, in turns in the same run.
#
#   scripts/bench/tags.sh [RUNS]            default 5
#
# The same two-platform image on Debian's docker-registry, RTT_MS (default 50) away; the tags are absent before each run. The
# others write five tags and look at nothing; countersign looks at each tag before and after its PUT, in the phases versions,
# channels, latest. Its part is timed as the difference of two runs of `promote` on a finished release: with the tags gone, and
# with everything in place. Evidence is checked in both. Requests are those the registry logs about these tags, their list
# and, for the others, the manifests and blobs they read; the two rows of countersign have the whole runs.
# COUNTERSIGN, SANDBOX (default target/release/…), TRIVY_DB as in scripts/interop/run.sh.
set -euo pipefail
runs=${1:-5}
export RTT_MS=${RTT_MS:-50}
# shellcheck source=scripts/bench/setting.sh
. "$(dirname "$0")/setting.sh"
"$root/scripts/install-peers.sh" oras regctl >&2
command -v skopeo >/dev/null || { echo "bench: skopeo is missing: apt-get install skopeo" >&2; exit 2; }
layout=$("$interop/image.sh"); summary=$(dirname "$layout")/summary
index=$(awk '$1 == "index" { print $2 }' "$summary")
tags=(v1.2.3 1.2.3 1.2 1 latest)
name=bench/tags
near=$REGISTRY_DOCKER/$name far=$registry/$name
stored=$work/registries/data/docker/docker/registry/v2/repositories/$name/_manifests/tags

tag_oras() { "$bin/oras" tag --plain-http "$far@$index" "${tags[@]}"; }
tag_regctl() { local tag; for tag in "${tags[@]}"; do "$bin/regctl" image copy "$far@$index" "$far:$tag"; done; }
tag_crane() { local tag; for tag in "${tags[@]}"; do "$bin/crane" tag --insecure "$far@$index" "$tag"; done; }
tag_skopeo() {
  local tag
  for tag in "${tags[@]}"; do
    skopeo copy --quiet --all --src-tls-verify=false --dest-tls-verify=false "docker://$far@$index" "docker://$far:$tag"
  done
}
tag_rerun() { promote "$far@$index" >"$work/promote.json" && grep -q '"state": *"promoted"' "$work/promote.json"; }
tag_nothing() { promote "$far@$index" >"$work/promote.json" && grep -q '"state": *"unchanged"' "$work/promote.json"; }

# docker-registry 2.8 deletes no tag, so its files go.
without_tags() { local tag; for tag in "${tags[@]}"; do rm -rf "${stored:?}/$tag"; done; }

all_there() {
  local tag
  for tag in "${tags[@]}"; do
    [ "$("$bin/crane" digest --insecure "$near:$tag")" = "$index" ] || { echo "bench: $1 did not write $tag" >&2; exit 1; }
  done
}

requests() { grep '" [0-9][0-9][0-9] ' "$access_log" | grep -c "$1" || true; }
about_tags='/manifests/\(v1.2.3\|1.2.3\|1.2\|1\|latest\) \|/tags/list'

measure() { # SIDE
  local before before_tags began ended
  [ "$1" = nothing ] || without_tags
  before=$(requests .) before_tags=$(requests "$about_tags") began=$(date +%s%N)
  "tag_$1" >"$work/out" 2>"$work/err" || { echo "bench: $1 failed" >&2; tail -n 20 "$work/err" "$work/out" >&2; exit 1; }
  ended=$(date +%s%N)
  sleep 0.1
  echo "$1 $(((ended - began) / 1000000)) $(($(requests .) - before)) $(($(requests "$about_tags") - before_tags))" >>"$work/results"
  all_there "$1"
}

"$countersign" push "$layout" "$near" >&2
promote "$far@$index" >"$work/out" 2>"$work/err" || { tail -n 20 "$work/err" "$work/out" >&2; exit 1; }
mkdir -p "$HOME/.regctl"
"$bin/regctl" registry set --tls disabled "$registry" >&2
for _ in $(seq "$runs"); do
  for side in oras regctl crane skopeo rerun nothing; do measure "$side"; done
done
python3 - "$work/results" "$RTT_MS" <<'PY'
import os, statistics, sys
rows = [line.split() for line in open(sys.argv[1])]
print(f"\nmoving five tags, registry {sys.argv[2]} ms away, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
print(f"{'':34}{'seconds':>9}{'least':>8}{'most':>8}{'requests':>10}{'of tags':>9}")

def row(title, seconds, requests, of_tags):
    print(f"{title:34}{statistics.median(seconds):9.2f}{min(seconds):8.2f}{max(seconds):8.2f}"
          f"{statistics.median(requests):10.0f}{statistics.median(of_tags):9.0f}")

def columns(side):
    mine = [list(map(int, r[1:])) for r in rows if r[0] == side]
    return [r[0] / 1000 for r in mine], [r[1] for r in mine], [r[2] for r in mine]

for side, title in (("oras", "oras tag"), ("regctl", "regctl image copy"), ("crane", "crane tag"), ("skopeo", "skopeo copy --all")):
    row(title, *columns(side))
(with_tags, all_with, tags_with), (without, all_without, tags_without) = columns("rerun"), columns("nothing")
row("countersign, the tags alone", [a - b for a, b in zip(with_tags, without)], tags_with, tags_with)
row("countersign, rerun without tags", with_tags, all_with, tags_with)
row("countersign, rerun, all in place", without, all_without, tags_without)
PY
