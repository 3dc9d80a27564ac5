# shellcheck shell=bash disable=SC2154
# Sourced by run.sh: blobs, by the hidden `conformance` commands, in both directions with cosign and sigstore-python.

blobs_both_ways() { # uses cosign_identity of as_person/as_workflow
  local folder=$work/blobs identity=${cosign_identity[1]} issuer=${cosign_identity[3]} digest
  local trust=(--trusted-root "$TRUSTED_ROOT") sign=(--trusted-root "$TRUSTED_ROOT" --signing-config "$SIGNING_CONFIG")
  local who=(--certificate-identity "$identity" --certificate-oidc-issuer "$issuer")
  mkdir -p "$folder"; echo "an artifact" >"$folder/artifact"; echo "another" >"$folder/other"
  digest=sha256:$(sha256sum "$folder/artifact" | cut -d' ' -f1)
  client_trust_config "$TRUSTED_ROOT" "$SIGNING_CONFIG" >"$work/trust-config.json"
  jq -nc --arg digest "${digest#sha256:}" \
    '{_type: "https://in-toto.io/Statement/v1", subject: [{name: "artifact", digest: {sha256: $digest}}], predicateType: "https://slsa.dev/provenance/v1", predicate: {}}' >"$folder/statement"

  fresh_token "$work/token"
  check "blobs: countersign signs a file" "$countersign" conformance sign-bundle --identity-token "$(cat "$work/token")" --bundle "$folder/ours" "${sign[@]}" "$folder/artifact"
  check "blobs: it is a message signature in Rekor v2 with a timestamp and the leaf alone" jq -e '
    (has("dsseEnvelope") | not) and has("messageSignature") and (.verificationMaterial | has("certificate") and (has("x509CertificateChain") | not)
    and (.tlogEntries | length == 1 and .[0].kindVersion == {kind: "hashedrekord", version: "0.0.2"})
    and (.timestampVerificationData.rfc3161Timestamps | length == 1))' "$folder/ours"
  check "blobs: countersign verifies it by path" "$countersign" conformance verify-bundle --bundle "$folder/ours" "${who[@]}" "${trust[@]}" "$folder/artifact"
  check "blobs: countersign verifies it by digest" "$countersign" conformance verify-bundle --bundle "$folder/ours" "${who[@]}" "${trust[@]}" "$digest"
  exits 4 "blobs: countersign refuses another file" "$countersign" conformance verify-bundle --bundle "$folder/ours" "${who[@]}" "${trust[@]}" "$folder/other"
  check "blobs: cosign verifies it" "$cosign" verify-blob --bundle "$folder/ours" "${who[@]}" "${trust[@]}" "$folder/artifact"
  check "blobs: sigstore-python verifies it" sigstore_verify "$work/trust-config.json" "$folder/ours" "$folder/artifact" "$identity" "$issuer"
  refuses "$SANS_DIFFER" "blobs: sigstore-python refuses another identity" \
    sigstore_verify "$work/trust-config.json" "$folder/ours" "$folder/artifact" somebody@example.com "$issuer"

  fresh_token "$work/token"
  check "blobs: countersign signs a statement" "$countersign" conformance sign-bundle --in-toto --identity-token "$(cat "$work/token")" --bundle "$folder/stated" "${sign[@]}" "$folder/statement"
  check "blobs: the statement is signed byte for byte" cmp "$folder/statement" <(jq -r .dsseEnvelope.payload "$folder/stated" | base64 -d)
  check "blobs: countersign verifies it for its subject" "$countersign" conformance verify-bundle --bundle "$folder/stated" "${who[@]}" "${trust[@]}" "$folder/artifact"
  check "blobs: cosign verifies it" "$cosign" verify-blob-attestation --bundle "$folder/stated" --type slsaprovenance1 "${who[@]}" "${trust[@]}" "$folder/artifact"
  check "blobs: sigstore-python verifies it" sigstore_verify "$work/trust-config.json" "$folder/stated" "$folder/artifact" "$identity" "$issuer"

  fresh_token "$work/token"
  check "blobs: cosign signs a file" "$cosign" sign-blob -y --bundle "$folder/theirs" --identity-token "$(cat "$work/token")" "${sign[@]}" "$folder/artifact"
  check "blobs: countersign verifies cosign's" "$countersign" conformance verify-bundle --bundle "$folder/theirs" "${who[@]}" "${trust[@]}" "$folder/artifact"
  exits 4 "blobs: countersign refuses cosign's under another identity" "$countersign" conformance verify-bundle --bundle "$folder/theirs" \
    --certificate-identity somebody@example.com --certificate-oidc-issuer "$issuer" "${trust[@]}" "$folder/artifact"
}
