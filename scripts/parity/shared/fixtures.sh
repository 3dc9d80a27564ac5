#!/usr/bin/env bash
# Make testdata/rpm anew: the same four packages in RPM's three database formats, made small.
#
#   scripts/parity/shared/fixtures.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
# shellcheck source=scripts/parity/shared/rpm.sh
. "$root/scripts/parity/shared/rpm.sh"
specs() {
  spec "$1" openssl 3.0.7 24.el9 1 "Red Hat, Inc." "" openssl-libs <<<'/usr/bin/openssl'
  spec "$1" npm 8.19.4 1.module_el9 0 "Red Hat, Inc." nodejs:18:9030020231222:rhel9 < <(echo /usr/lib/node_modules/npm/package.json
    for i in $(seq 40); do echo "/usr/lib/node_modules/npm/node_modules/part-$i/package.json"; done)
  spec "$1" nginx 1.24.0 1.el9.ngx 0 "" "" <<<'/usr/sbin/nginx'
}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
BERKELEY_PAGE=1024
for backend in sqlite ndb bdb; do rpm_image "$work/$backend" "$backend" el9 "" db; done
python3 - "$work/sqlite/root/db/rpmdb.sqlite" <<'PY'
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("pragma journal_mode=delete")
for kind, name in database.execute("select type, name from sqlite_master where name != 'Packages' and name not like 'sqlite_%' and type = 'table'").fetchall():
    database.execute(f"drop table '{name}'")
database.execute("pragma page_size=1024"); database.execute("vacuum")
PY
cp "$work/sqlite/root/db/rpmdb.sqlite" "$work/ndb/root/db/Packages.db" "$work/bdb/root/db/Packages" "$root/testdata/rpm/"
