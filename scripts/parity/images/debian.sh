#!/usr/bin/env bash
# Debian 12 by mmdebstrap: the point release alone, without later security updates.
set -euo pipefail
export SOURCE_DATE_EPOCH=1735689600
mkdir "$1/layers"
mmdebstrap --quiet --components=main --variant=minbase --include=nginx-light,curl,python3-minimal,perl \
  '--setup-hook=sed -i -e /-security/d -e /-updates/d "$1/etc/apt/sources.list"' bookworm "$1/layers/0.tar"
