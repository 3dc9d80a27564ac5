#!/bin/bash
# Verify bundles of the sandbox's Sigstore with sigstore-python, which shares no code with it or with our client.
#
#   sigstore-python.sh FOLDER [VENV]
#
# FOLDER: what the test `write_interop_files` (sandbox/tests/sigstore.rs) writes: trust_config.json, blob, *.blob.sigstore.json
# VENV:   where to install sigstore-python, default target/sigstore-python; kept for the next run
set -euo pipefail
folder=${1:?usage: sigstore-python.sh FOLDER [VENV]}
venv=${2:-target/sigstore-python}
version=4.5.1
if [ "$("$venv/bin/sigstore" --version 2>/dev/null)" != "sigstore $version" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet "sigstore==$version"
fi
failed=0
check() { # accept|refuse BUNDLE IDENTITY ISSUER FILE
  local want=$1 got=accept
  "$venv/bin/sigstore" --trust-config "$folder/trust_config.json" verify identity --bundle "$folder/$2" \
    --cert-identity "$3" --cert-oidc-issuer "$4" "$5" > "$folder/sigstore-python.log" 2>&1 || got=refuse
  if [ $got = "$want" ]; then
    echo "ok: $got $2 as $3"
  else
    echo "FAILED: $got $2 as $3, expected $want"
    cat "$folder/sigstore-python.log"
    failed=1
  fi
}
email=releaser@example.com
workflow=https://github.com/example-org/app/.github/workflows/release.yml@refs/tags/v1.2.3
email_issuer=$(cat "$folder/email_issuer")
ci_issuer=$(cat "$folder/ci_issuer")
echo "another blob" > "$folder/other"
check accept email.blob.sigstore.json "$email" "$email_issuer" "$folder/blob"
check accept inprocess.blob.sigstore.json "$email" "$email_issuer" "$folder/blob"
check accept ci.blob.sigstore.json "$workflow" "$ci_issuer" "$folder/blob"
check refuse email.blob.sigstore.json "$email" "$email_issuer" "$folder/other"
check refuse email.blob.sigstore.json other@example.com "$email_issuer" "$folder/blob"
check refuse email.blob.sigstore.json "$email" "$ci_issuer" "$folder/blob"
exit $failed
