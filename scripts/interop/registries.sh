#!/usr/bin/env bash
# Start or stop real registries on loopback: Debian's docker-registry 2.8 (no referrers API), olareg (referrers API), and
# olareg with that API switched off (405).
#
#   scripts/interop/registries.sh up|down DIR
#
# PEERS_BIN as in stack.sh. Writes DIR/registries.env: REGISTRY_DOCKER, REGISTRY_OLAREG and REGISTRY_OLAREG_WITHOUT_API (host:port).
# DIR/log/docker-registry.log holds an access log, which scripts/interop/run.sh and the benchmark count requests in.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
group=registries
# shellcheck source=scripts/interop/processes.sh
. "$here/processes.sh"
begin "$@"

bin=${PEERS_BIN:-$root/.tools/peers/bin}
command -v docker-registry >/dev/null || die "docker-registry is missing: run scripts/install-debian.sh"
[ -x "$bin/olareg" ] || die "$bin/olareg is missing: run scripts/install-peers.sh"
[ -f "$dir/registry-ports" ] || free_ports 3 >"$dir/registry-ports"
read -r docker_port olareg_port without_port <"$dir/registry-ports"
mkdir -p "$dir/data/docker" "$dir/data/olareg" "$dir/data/olareg-without-api"
cat >"$dir/docker-registry.yml" <<YML
version: 0.1
log:
  level: warn
  accesslog:
    disabled: false
http:
  addr: 127.0.0.1:$docker_port
  secret: interop
storage:
  delete:
    enabled: true
  filesystem:
    rootdirectory: $dir/data/docker
YML
launch docker-registry docker-registry serve "$dir/docker-registry.yml"
launch olareg "$bin/olareg" serve --addr 127.0.0.1 --port "$olareg_port" --dir "$dir/data/olareg" --verbosity debug
launch olareg-without-api "$bin/olareg" serve --addr 127.0.0.1 --port "$without_port" --dir "$dir/data/olareg-without-api" --api-referrer=false
await docker-registry "http://127.0.0.1:$docker_port/v2/"
await olareg "http://127.0.0.1:$olareg_port/v2/"
await olareg-without-api "http://127.0.0.1:$without_port/v2/"
cat >"$dir/registries.env" <<ENV
export REGISTRY_DOCKER=127.0.0.1:$docker_port
export REGISTRY_OLAREG=127.0.0.1:$olareg_port
export REGISTRY_OLAREG_WITHOUT_API=127.0.0.1:$without_port
ENV
echo "registries: docker-registry 127.0.0.1:$docker_port, olareg 127.0.0.1:$olareg_port; . $dir/registries.env"
