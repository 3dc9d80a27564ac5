# shellcheck shell=bash
# Sourced by the benchmarks: tools, image, real Sigstore, registry, and the delay in front of it; all stopped on exit.
# Sets countersign, bin, trivy, trivy_db, layout, summary, work, registry (behind the delay where RTT_MS is not 0), access_log.

bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$bench/../.." && pwd)
interop=$root/scripts/interop
countersign=${COUNTERSIGN:-$root/target/release/countersign}
sandbox=${SANDBOX:-$root/target/release/countersign-sandbox}
[ -x "$countersign" ] || { echo "bench: $countersign is missing: run \`cargo build --release\` (a debug build measures the wrong thing)" >&2; exit 2; }
export PEERS_BIN=${PEERS_BIN:-$root/.tools/peers/bin} INTEROP_VENV=${INTEROP_VENV:-$root/.tools/venv}
bin=$PEERS_BIN

"$root/scripts/install-debian.sh" >&2
"$root/scripts/install-peers.sh" fulcio rekor-server timestamp-server olareg cosign crane syft >&2
"$root/scripts/install-python.sh" >&2
trivy=${TRIVY:-$("$root/scripts/install-trivy.sh" | tail -n 1)}

work=$(mktemp -d); dir=$work/delay; group=delay
mkdir -p "$dir/log"
# shellcheck source=scripts/interop/processes.sh
. "$interop/processes.sh"
finish() {
  local status=$?
  stop_group
  "$interop/stack.sh" down "$work/stack" || true
  "$interop/registries.sh" down "$work/registries" || true
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

"$interop/stack.sh" up "$work/stack" >&2
"$interop/registries.sh" up "$work/registries" >&2
# shellcheck disable=SC1091
. "$work/stack/env"
# shellcheck disable=SC1091
. "$work/registries/registries.env"
access_log=$work/registries/log/docker-registry.log
registry=$REGISTRY_DOCKER
if [ "${RTT_MS:-0}" != 0 ]; then
  port=$(free_ports 1)
  launch delay "$INTEROP_VENV/bin/python" "$interop/forward.py" "$port" "$REGISTRY_DOCKER" "$RTT_MS"
  await delay "http://127.0.0.1:$port/v2/"
  registry=127.0.0.1:$port
fi
trivy_db=${TRIVY_DB:-}
if [ -z "$trivy_db" ]; then trivy_db=$work/trivy; "$sandbox" trivy-db --out "$trivy_db" >&2; fi
export HOME=$work/home DOCKER_CONFIG=$work/home/.docker
mkdir -p "$DOCKER_CONFIG"
cd "$work" || exit 1

token() { curl -fsS --noproxy '*' "$ISSUER_URL/token"; }

write_config() { # FILE REPOSITORY
  cat >"$1" <<YAML
version: 1
images:
  - repository: $2
tags: { preset: both }
identity:
  issuer: $ISSUER_URL
  identity: releaser@example.com
policy:
  vulnerabilities: { deny: [], warn: [HIGH] }
  scan: { max-age: 7d, max-db-age: 3650d }
YAML
}

promote() { # REPOSITORY@DIGEST OPTION…: with cold caches of its own
  local candidate=$1; shift
  write_config "$work/countersign.yaml" "${candidate%@*}"
  token >"$work/token"
  XDG_CACHE_HOME=$(mktemp -d "$work/cache.XXXX") exec_or_call "$countersign" promote "$candidate" --version 1.2.3 --config "$work/countersign.yaml" \
    --git-ref refs/tags/v1.2.3 --sha 0123456789abcdef0123456789abcdef01234567 --output json --trust-root "$TRUSTED_ROOT" --signing-config "$SIGNING_CONFIG" --identity-token-file "$work/token" \
    --trivy "$trivy" --trivy-db "$trivy_db" "$@"
}

exec_or_call() { "${prefix[@]}" "$@"; }
prefix=()
