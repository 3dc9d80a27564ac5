#!/usr/bin/env bash
# The crash matrix and the interleavings (docs/reliability.md): a release of two images, killed before and after every
# request and broken at every third, on three registries; and two hundred pairs of releases that meet. Runs the program as a
# release build, and puts table and line between the marks of the page.
#
#   scripts/crash-matrix.sh              every point, about a quarter of an hour on two idle cores
#   COUNTERSIGN_CRASH_EVERY=10 scripts/crash-matrix.sh    every tenth request
#
# Points that fail are listed at the end; the page is left alone then.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
scripts/install-debian.sh >&2
export TRIVY=${TRIVY:-$(scripts/install-trivy.sh | tail -n 1)}
cargo build --release --workspace --bins
COUNTERSIGN_UNDER_TEST=${COUNTERSIGN:-$root/target/release/countersign}
export COUNTERSIGN_UNDER_TEST
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
# Registry and Sigstore of the tests share the two cores with the program: compiled for speed, too.
run() {
  cargo test --config 'profile.dev.package.countersign-sandbox.opt-level=2' --workspace --test it -- \
    --ignored --exact --nocapture "$1"
}
failed=0
COUNTERSIGN_CRASH_TABLE=$found/matrix run crash_matrix::i8_crash_matrix || failed=1
if [ -z "${COUNTERSIGN_CRASH_EVERY:-}" ]; then
  COUNTERSIGN_INTERLEAVINGS=$found/interleavings run interleavings::i4_two_hundred_pairs_of_releases_that_meet || failed=1
fi
[ "$failed" = 0 ] || exit 1
if [ -z "${COUNTERSIGN_CRASH_EVERY:-}" ]; then
  python3 - "$found" docs/reliability.md <<'PY'
import re, sys
found, page = sys.argv[1], open(sys.argv[2]).read()
for mark, file in (("crash matrix", "matrix"), ("interleavings", "interleavings")):
    text = open(f"{found}/{file}").read()
    marked = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- end -->)", re.S)
    assert marked.search(page), f"{sys.argv[2]} has lost its mark: {mark}"
    page = marked.sub(lambda m: m.group(1) + text + m.group(2), page, count=1)
open(sys.argv[2], "w").write(page)
PY
fi
