#!/usr/bin/env bash
# The crash matrix (docs/reliability.md): a release of two images, killed before and after every request, and broken at every
# request, on three registries. Runs the program as a release build, and puts the table between the marks of the page.
#
#   scripts/crash-matrix.sh              every point, about a quarter of an hour on two cores
#   COUNTERSIGN_CRASH_EVERY=10 scripts/crash-matrix.sh    every tenth request
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
scripts/install-debian.sh >&2
export TRIVY=${TRIVY:-$(scripts/install-trivy.sh | tail -n 1)}
cargo build --release --workspace --bins
COUNTERSIGN_UNDER_TEST=${COUNTERSIGN:-$root/target/release/countersign}
export COUNTERSIGN_UNDER_TEST
table=$(mktemp)
trap 'rm -f "$table"' EXIT
COUNTERSIGN_CRASH_TABLE=$table cargo test --workspace --test it -- --ignored --exact --nocapture crash_matrix::i8_crash_matrix
if [ -z "${COUNTERSIGN_CRASH_EVERY:-}" ]; then
  python3 - "$table" docs/reliability.md <<'PY'
import re, sys
table, page = open(sys.argv[1]).read(), open(sys.argv[2]).read()
marked = re.compile(r"(<!-- crash matrix -->\n).*?(<!-- end -->)", re.S)
assert marked.search(page), "docs/reliability.md has lost its marks"
open(sys.argv[2], "w").write(marked.sub(lambda m: m.group(1) + table + m.group(2), page))
PY
fi
