#!/usr/bin/env bash
# `make interop`: countersign against real registries and a real Sigstore, checked by cosign, sigstore-python and Trivy.
#
#   scripts/interop/run.sh
#
# COUNTERSIGN, SANDBOX   the two binaries (default target/debug/…)
# PEERS_BIN, INTEROP_VENV, INTEROP_CACHE   where peers, Python packages and the image are kept (default under .tools)
# TRIVY_DB               a Trivy cache folder holding db/ (default: made by `countersign-sandbox trivy-db`)
# INTEROP_KEEP=1         keep the working folder, to look at logs and evidence
# Last line: `N passed, N failed`; non-zero when anything failed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
countersign=${COUNTERSIGN:-$root/target/debug/countersign}
sandbox=${SANDBOX:-$root/target/debug/countersign-sandbox}
export PEERS_BIN=${PEERS_BIN:-$root/.tools/peers/bin} INTEROP_VENV=${INTEROP_VENV:-$root/.tools/venv}
cosign=$PEERS_BIN/cosign crane=$PEERS_BIN/crane
for program in "$countersign" "$sandbox"; do
  [ -x "$program" ] || { echo "interop: $program is missing: run \`make build\`" >&2; exit 2; }
done

"$root/scripts/install-debian.sh"
"$root/scripts/install-peers.sh"
"$root/scripts/install-python.sh"
trivy=${TRIVY:-$("$root/scripts/install-trivy.sh" | tail -n 1)}
layout=$("$here/image.sh"); summary=$(dirname "$layout")/summary

work=$(mktemp -d)
finish() {
  local status=$?
  "$here/stack.sh" down "$work/stack" || true
  "$here/registries.sh" down "$work/registries" || true
  [ -z "${sandbox_pid:-}" ] || kill "$sandbox_pid" 2>/dev/null || true
  if [ -n "${INTEROP_KEEP:-}" ]; then echo "interop: kept $work" >&2; else rm -rf "$work"; fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Cargo keeps its own folders when HOME is moved below.
export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
# Neither the user's registry logins and caches nor the CI's ambient identity may help or hurt.
export HOME=$work/home XDG_CACHE_HOME=$work/home/.cache DOCKER_CONFIG=$work/home/.docker
mkdir -p "$DOCKER_CONFIG" "$XDG_CACHE_HOME"
unset GITHUB_TOKEN ACTIONS_ID_TOKEN_REQUEST_URL ACTIONS_ID_TOKEN_REQUEST_TOKEN SIGSTORE_ID_TOKEN

"$here/stack.sh" up "$work/stack"
"$here/registries.sh" up "$work/registries"
# shellcheck disable=SC1091
. "$work/stack/env"
# shellcheck disable=SC1091
. "$work/registries/registries.env"
trivy_db=${TRIVY_DB:-}
if [ -z "$trivy_db" ]; then trivy_db=$work/trivy; "$sandbox" trivy-db --out "$trivy_db"; fi

# shellcheck source=scripts/interop/checks.sh
. "$here/checks.sh"
# shellcheck source=scripts/interop/gate.sh
. "$here/gate.sh"
# shellcheck source=scripts/interop/sigstore_python.sh
. "$here/sigstore_python.sh"

# No configuration and no git repository of the project may be found by looking around.
cd "$work" || exit 1
set +e

client_suite() { # NAME REGISTRY: the registry client's own suite, which `make test` leaves out for want of a registry
  check "$1: the registry client's suite" env REGISTRY_URL="$2" \
    cargo test --quiet --manifest-path "$root/Cargo.toml" --workspace --test it -- --ignored registry::real
}

as_workflow
access_log=$work/registries/log/docker-registry.log
gate_against docker-registry "$REGISTRY_DOCKER" "$work/registries/data/docker"
accepts_cosigns_work docker-registry "$REGISTRY_DOCKER"
sigstore_python_accepts docker-registry "$REGISTRY_DOCKER/example-org/app"
client_suite docker-registry "$REGISTRY_DOCKER"
# shellcheck source=scripts/interop/killed.sh
. "$here/killed.sh"
echo "== docker-registry, SIGKILL"
killed_at_every_tenth_request "$REGISTRY_DOCKER"

as_person
access_log=
gate_against olareg "$REGISTRY_OLAREG" "$work/registries/data/olareg"
accepts_cosigns_work olareg "$REGISTRY_OLAREG"
sigstore_python_accepts olareg "$REGISTRY_OLAREG/example-org/app"
client_suite olareg "$REGISTRY_OLAREG"

# shellcheck source=scripts/interop/blobs.sh
. "$here/blobs.sh"
echo "== blobs"
blobs_both_ways

# shellcheck source=scripts/interop/without_api.sh
. "$here/without_api.sh"
gate_where_the_api_is_refused olareg-without-api "$REGISTRY_OLAREG_WITHOUT_API" "$work/registries/data/olareg-without-api"

# shellcheck source=scripts/interop/sandbox.sh
. "$here/sandbox.sh"
sandbox_is_a_real_sigstore

echo "== parity with Trivy"
# One image of every kind that is quick to make; `make parity` makes them all (a quarter of an hour the first time).
read -ra parity_images <<<"${PARITY_IMAGES-alpine rocky-9 sles-15 centos-7 python npm gem java composer dotnet embedded}"
PARITY_CACHE=${PARITY_CACHE:-${INTEROP_CACHE:-$root/.tools}/parity} COUNTERSIGN=$countersign SANDBOX=$sandbox TRIVY=$trivy \
  "$root/scripts/parity/run.sh" "${parity_images[@]}" | tee "$work/parity"
counted=$(tail -n 1 "$work/parity")
if [[ $counted =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
  passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
else fail "parity with Trivy" "it did not end with its totals"; fi

totals
