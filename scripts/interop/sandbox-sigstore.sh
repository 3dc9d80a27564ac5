#!/bin/bash
# The sandbox's Sigstore against foreign clients: sigstore-python always, cosign when COSIGN names it. Both verify what
# the sandbox's bundles hold, and both sign against its services.
#
#   [COSIGN=…/cosign] sandbox-sigstore.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
folder=$(mktemp -d)
venv=${SIGSTORE_PYTHON_VENV:-$PWD/target/sigstore-python}
INTEROP_DIR=$folder INTEROP_WAIT=1 cargo test --quiet -p countersign -p countersign-sandbox --test sigstore \
  write_interop_files -- --ignored > "$folder/server.log" 2>&1 &
server=$!
stop() { touch "$folder/done"; wait "$server" || true; rm -rf "$folder"; }
trap stop EXIT
until [ -e "$folder/ready" ]; do
  kill -0 "$server" 2>/dev/null || { cat "$folder/server.log"; exit 1; }
  sleep 0.2
done
"$here/sigstore-python.sh" "$folder" "$venv"

cd "$folder"
email=releaser@example.com
issuer=$(cat email_issuer)
echo "signed by sigstore-python" > python.blob
"$venv/bin/sigstore" --trust-config trust_config.json sign --identity-token "$(cat token)" --bundle python.json python.blob > python.log 2>&1
"$venv/bin/sigstore" --trust-config trust_config.json verify identity --bundle python.json \
  --cert-identity "$email" --cert-oidc-issuer "$issuer" python.blob
[ -n "${COSIGN:-}" ] || { echo "skipped: cosign (COSIGN is not set)"; exit 0; }

trust=(--trusted-root trusted_root.json --certificate-oidc-issuer)
statement=(--type https://example.com/test/v1 --digest "$(printf %064x 1)" --digestAlg sha256)
workflow=https://github.com/example-org/app/.github/workflows/release.yml@refs/tags/v1.2.3
for name in email inprocess; do
  "$COSIGN" verify-blob-attestation --bundle $name.dsse.sigstore.json "${trust[@]}" "$issuer" --certificate-identity "$email" "${statement[@]}"
  "$COSIGN" verify-blob --bundle $name.blob.sigstore.json "${trust[@]}" "$issuer" --certificate-identity "$email" blob
done
"$COSIGN" verify-blob-attestation --bundle ci.dsse.sigstore.json "${trust[@]}" "$(cat ci_issuer)" --certificate-identity "$workflow" \
  --certificate-github-workflow-repository example-org/app "${statement[@]}"
if "$COSIGN" verify-blob --bundle email.blob.sigstore.json "${trust[@]}" "$issuer" --certificate-identity x@example.com blob 2> /dev/null; then
  echo "FAILED: cosign accepts another identity"
  exit 1
fi
echo "signed by cosign" > cosign.blob
"$COSIGN" sign-blob -y --signing-config signing_config.json --trusted-root trusted_root.json --identity-token "$(cat token)" \
  --bundle cosign.json cosign.blob > cosign.log 2>&1 || { cat cosign.log; exit 1; }
"$COSIGN" verify-blob --bundle cosign.json "${trust[@]}" "$issuer" --certificate-identity "$email" cosign.blob
echo "ok: cosign and sigstore-python agree with the sandbox"
