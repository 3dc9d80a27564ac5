#!/usr/bin/env bash
# As Red Hat's base images are: the repositories that they were built from are named, and decide which advisories apply.
set -euo pipefail
"$2/scripts/parity/images/redhat-9.sh" "$1" "$2"
mkdir -p "$1/root/root/buildinfo/content_manifests"
echo '{"metadata":{"icm_version":1},"content_sets":["ubi-9-baseos-rpms","ubi-9-appstream-rpms__9"],"image_contents":[]}' \
  >"$1/root/root/buildinfo/content_manifests/ubi9-container-9.3-1361.json"
