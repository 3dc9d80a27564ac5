# shellcheck shell=bash disable=SC2154
# Sourced by run.sh: sigstore-python, a client that shares no code with cosign or with ours, verifies what we attached.

SANS_DIFFER="SANs do not match"

client_trust_config() { # TRUSTED-ROOT SIGNING-CONFIG: both in the one document that sigstore-python reads
  jq -n --slurpfile root "$1" --slurpfile signing "$2" \
    '{mediaType: "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json", trustedRoot: $root[0], signingConfig: $signing[0]}'
}

sigstore_verify() { # TRUST-CONFIG BUNDLE DIGEST IDENTITY ISSUER
  "$INTEROP_VENV/bin/sigstore" --trust-config "$1" verify identity --offline --bundle "$2" --cert-identity "$4" --cert-oidc-issuer "$5" "$3"
}

sigstore_python_accepts() { # NAME REPOSITORY: uses cosign_identity of as_person/as_workflow
  local name=$1 node digest type bundle seen=0 unnamed=0 issuer=${cosign_identity[3]} identity=${cosign_identity[1]}
  client_trust_config "$TRUSTED_ROOT" "$SIGNING_CONFIG" >"$work/trust-config.json"
  for node in index linux/amd64; do
    digest=$(digest_of "$node")
    "$here/fetch_bundles.py" "$2" "$digest" "$work/bundles" >"$work/bundles.list" 2>"$work/err" \
      || { fail "$name: bundles of $node are found" "$(tail -n 3 "$work/err")"; continue; }
    while read -r type bundle; do
      if ! jq -re '.dsseEnvelope.payload' "$bundle" | base64 -d | jq -e '.subject[0].name' >/dev/null; then
        echo "          sigstore-python 4.5.1 cannot read $type on $node: its subject has no name (nor has one that cosign signs)"
        unnamed=$((unnamed + 1)); continue
      fi
      seen=$((seen + 1))
      check "$name: sigstore-python verifies $type on $node" sigstore_verify "$work/trust-config.json" "$bundle" "$digest" "$identity" "$issuer"
      [ "$type" = "$SIGNATURE" ] || continue
      refuses "$SANS_DIFFER" "$name: sigstore-python refuses another identity on $node" \
        sigstore_verify "$work/trust-config.json" "$bundle" "$digest" "somebody@example.com" "$issuer"
    done <"$work/bundles.list"
  done
  [ "$((seen + unnamed))" -gt 0 ] || fail "$name: sigstore-python had something to verify"
}
