#!/usr/bin/env bash
# Build the pinned Go programs of scripts/interop/peers.sum into PEERS_BIN (default .tools/peers/bin). A program built
# before on this machine comes from PEERS_CACHE (default ~/.cache/countersign-peers; set but empty: no cache), where it lies
# under the hash of module, package, sum, compiler, flags and target, with its own SHA-256 beside it.
#
#   scripts/install-peers.sh [TOOL…]       default: everything `make interop` needs (not syft, which only the benchmark needs)
#
# Idempotent: a tool whose stamp names this version, hash and compiler is left alone. About five minutes cold on two cores.
# GO_BUILD_FLAGS adds flags to `go build` (for example `-p 1` on a busy machine).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
sums=$root/scripts/interop/peers.sum
bin=${PEERS_BIN:-$root/.tools/peers/bin}
cache=${PEERS_CACHE-${XDG_CACHE_HOME:-$HOME/.cache}/countersign-peers}
default_tools=(fulcio rekor-server timestamp-server olareg cosign crane)
needed_go=1.26.3          # the highest go directive among the modules

die() { echo "install-peers: $*" >&2; exit 1; }

command -v go >/dev/null || die "Go is not installed. The interop peers (cosign, Fulcio, Rekor, …) are built from source:
  install Go $needed_go or newer from https://go.dev/dl/ and put it on PATH, or set PEERS_BIN to a folder that holds them."
go_version=$(GOTOOLCHAIN=local go env GOVERSION); go_version=${go_version#go}
[ "$(printf '%s\n%s\n' "$needed_go" "$go_version" | sort -V | head -n 1)" = "$needed_go" ] \
  || die "go $go_version is too old: these modules need $needed_go"
command -v python3 >/dev/null || die "python3 is not installed"

export GOTOOLCHAIN=local GOWORK=off
mkdir -p "$bin"; bin=$(cd "$bin" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

field() { python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1]) or "")' "$1"; }

build_flags='-mod=readonly -trimpath -buildvcs=false'

from_cache() { # TOOL KEY: installs it, if it is there and whole
  local kept=$cache/$2/$1
  [ -n "$cache" ] && [ -f "$kept" ] || return 1
  cp "$kept" "$scratch/$1.bin"
  (cd "$scratch" && sha256sum --check --status "$kept.sha256") || { rm -rf "${cache:?}/$2"; return 1; }
  chmod 755 "$scratch/$1.bin"; mv "$scratch/$1.bin" "$bin/$1"
}

to_cache() { # TOOL KEY: a cache that cannot be written is none
  [ -n "$cache" ] || return 0
  local writing=$cache/.$1.$$
  { mkdir -p "$writing" && cp "$scratch/$1.bin" "$writing/$1" && (cd "$scratch" && sha256sum "$1.bin") >"$writing/$1.sha256" \
    && rm -rf "${cache:?}/$2" && mv "$writing" "$cache/$2"; } 2>/dev/null || rm -rf "$writing"
}

build() { # TOOL MODULE@VERSION PACKAGE HASH
  local tool=$1 module=$2 package=$3 expected=$4 answer actual began=$SECONDS
  local stamp="$bin/.$tool.stamp" want="$module $package $expected go$go_version"
  if [ -x "$bin/$tool" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then echo "install-peers: $tool ${module##*@} is in place"; return; fi
  local key; key=$(printf '%s\n' "$want" "$(go env GOOS GOARCH GOAMD64 CGO_ENABLED)" "$build_flags" | sha256sum | cut -c1-32)
  if from_cache "$tool" "$key"; then echo "$want" >"$stamp"; echo "install-peers: $tool ${module##*@} was built before"; return; fi
  answer=$(cd "$scratch" && go mod download -json "$module") || die "cannot download $module: $(field Error <<< "$answer")"
  actual=$(field Sum <<< "$answer")
  [ "$actual" = "$expected" ] || die "$module has hash $actual, peers.sum says $expected: not built"
  # The module cache is read-only and a main module must not live in it.
  cp -r "$(field Dir <<< "$answer")" "$scratch/$tool.src"; chmod -R u+w "$scratch/$tool.src"
  # shellcheck disable=SC2086  # several flags
  (cd "$scratch/$tool.src" && go build $build_flags -ldflags '-s -w' ${GO_BUILD_FLAGS:-} -o "$scratch/$tool.bin" "$package") \
    || die "building $module failed"
  to_cache "$tool" "$key"
  mv "$scratch/$tool.bin" "$bin/$tool"; echo "$want" > "$stamp"
  rm -rf "$scratch/$tool.src"
  echo "install-peers: $tool ${module##*@} built in $((SECONDS - began)) s"
}

[ $# -gt 0 ] || set -- "${default_tools[@]}"
for tool in "$@"; do
  line=$(awk -v t="$tool" '$1 == t { print $2, $3, $4 }' "$sums")
  [ -n "$line" ] || die "peers.sum does not list $tool"
  read -r module package hash <<< "$line"
  build "$tool" "$module" "$package" "$hash"
done
