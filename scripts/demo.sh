#!/usr/bin/env bash
# A sample release from denial to promotion on a sandbox registry and a small Sigstore, all on loopback.
# Prints each command it runs; with DEMO_KEEP=1 the servers stay up, so that the commands can be repeated by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
bin=${COUNTERSIGN_BIN_DIR:-$root/target/debug}
work=$(mktemp -d "${TMPDIR:-/tmp}/countersign-demo.XXXXXX")
server=
passed=0
failed=0

stop() {
  if [ -n "$server" ] && [ -z "${DEMO_KEEP:-}" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    rm -rf "$work"
  fi
}
trap stop EXIT

if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; else bold='' plain=''; fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }

# run EXPECTED-EXIT COMMAND…: shows the command, runs it, compares the exit code
run() {
  local expected=$1 code=0
  shift
  printf '$ %s\n' "$*"
  "$@" || code=$?
  if [ "$code" -eq "$expected" ]; then
    passed=$((passed + 1))
    printf '  exit %s, as it should be\n' "$code"
  else
    failed=$((failed + 1))
    printf '  exit %s, EXPECTED %s\n' "$code" "$expected"
  fi
}

check() { # check TEXT COMMAND…: the command must succeed
  local text=$1
  shift
  if "$@"; then passed=$((passed + 1)); printf '  ok: %s\n' "$text"; else failed=$((failed + 1)); printf '  FAILED: %s\n' "$text"; fi
}

export PATH="$bin:$PATH"
say "a registry, an OIDC issuer, Fulcio, Rekor and a timestamp authority in one process on loopback"
countersign-sandbox serve --dir "$work/sandbox" >"$work/sandbox.log" 2>&1 &
server=$!
for _ in $(seq 100); do
  [ -f "$work/sandbox/env" ] && break
  kill -0 "$server" 2>/dev/null || { cat "$work/sandbox.log" >&2; exit 1; }
  sleep 0.1
done
# shellcheck disable=SC1091
. "$work/sandbox/env"
cat "$work/sandbox/env"
export COUNTERSIGN_TRUST_ROOT=$TRUSTED_ROOT COUNTERSIGN_SIGNING_CONFIG=$SIGNING_CONFIG COUNTERSIGN_TRIVY_DB=$TRIVY_DB
export COUNTERSIGN_TRIVY=$root/.tools/trivy/bin/trivy COUNTERSIGN_IDENTITY_TOKEN_FILE=$work/token
cd "$work"

say "the build: two images for two platforms each, pushed by digest and under no tag"
run 0 countersign-sandbox layout --out app-old --sample debian --vulnerable
run 0 countersign-sandbox layout --out app --sample debian
run 0 countersign-sandbox layout --out agent --sample node
app_old=$(countersign push app-old "$REGISTRY/acme/app")
app=$(countersign push app "$REGISTRY/acme/app")
agent=$(countersign push agent "$REGISTRY/acme/agent")
printf '%s\n' "$app_old" "$app" "$agent"

cat >countersign.yaml <<YAML
version: 1
images:
  - repository: $REGISTRY/acme/app
    require: { platforms: [linux/amd64, linux/arm64] }
  - repository: $REGISTRY/acme/agent
identity:
  issuer: $EMAIL_ISSUER
  identity: releaser@example.com
policy:
  vulnerabilities: { deny: [CRITICAL], warn: [HIGH] }
YAML
say "countersign.yaml: what is released, who may sign, what is denied"
cat countersign.yaml
run 0 countersign-sandbox token --dir sandbox --email releaser@example.com --out token

say "a release with known critical vulnerabilities is denied, and nothing was written"
run 3 countersign promote "$app_old" "$agent" --version 1.2.3 --evidence-dir evidence
ls evidence
no_tags() { ! countersign inspect "$app_old" 2>/dev/null | grep -q attached && countersign inspect "$app_old" | grep -q 'tags     none'; }
check "no tag and no attestation exists" no_tags

say "the fixed release: first the plan, then for real"
run 0 countersign promote "$app" "$agent" --version 1.2.3 --plan
run 0 countersign promote "$app" "$agent" --version 1.2.3

say "the same command again finds everything in place"
run 0 countersign promote "$app" "$agent" --version 1.2.3

say "anybody can verify it"
run 0 countersign verify "$REGISTRY/acme/app:1.2"
run 0 countersign resolve "$REGISTRY/acme/app:latest" --output json

say "a tampered copy: same content, one label changed, and the tag moved to it by somebody who can write the registry"
run 0 countersign-sandbox push-sample "$REGISTRY/acme/app" --sample debian --image-version 6.6.6 --tag latest
tampered=$REGISTRY/acme/app@$(countersign inspect "$REGISTRY/acme/app:latest" --output json | python3 -c 'import json,sys; print(json.load(sys.stdin)["digest"])')
run 4 countersign verify "$tampered"
run 4 countersign resolve "$REGISTRY/acme/app:latest"
run 0 countersign resolve "$REGISTRY/acme/app:1.2.3"

if [ -n "${DEMO_KEEP:-}" ]; then say "still running: pid $server, folder $work; stop it with: kill $server"; fi
printf '\n%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
