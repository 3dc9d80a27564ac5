# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by run.sh: our own sandbox, looked at by clients that are not ours. Otherwise client and sandbox could agree on the
# same mistake. First cosign and sigstore-python use it without countersign; then cosign judges what countersign wrote there.

sandbox_start() { # NAME OPTION…: a sandbox in $work/NAME; sets REGISTRY, TRUSTED_ROOT, … of this sandbox
  local name=$1; shift
  rm -f "$work/$name/env"
  "$sandbox" serve --dir "$work/$name" --publication-interval 200 "$@" >"$work/$name.log" 2>&1 &
  sandbox_pid=$!
  for _ in $(seq 100); do
    [ ! -s "$work/$name/env" ] || break
    kill -0 "$sandbox_pid" 2>/dev/null || break
    sleep 0.1
  done
  if [ ! -s "$work/$name/env" ]; then fail "$name: the sandbox starts" "$(tail -n 5 "$work/$name.log")"; return 1; fi
  # shellcheck disable=SC1090
  . "$work/$name/env"
  ISSUER_URL=$EMAIL_ISSUER WORKFLOW_ISSUER_URL=$CI_ISSUER
  as_person
}

sandbox_stop() { kill "$sandbox_pid" 2>/dev/null || true; wait "$sandbox_pid" 2>/dev/null || true; sandbox_pid=; }

sandbox_is_a_real_sigstore() {
  local mode
  for mode in on off; do
    echo "== sandbox, referrers API $mode"
    if sandbox_start "sandbox-$mode" --referrers "$mode"; then
      foreign_clients_use_the_sandbox "sandbox-$mode"
      cosign_accepts_a_sandbox_release "sandbox-$mode"
      cosigns_older_layout_is_read "sandbox-$mode"
      cosign_accepts_our_older_layout "sandbox-$mode" legacy
      cosign_accepts_our_older_layout "sandbox-$mode" both
    fi
    sandbox_stop
  done
}

blob_with_sigstore_python() { # FOLDER: signs with the sandbox's services, trusting only its trust root
  printf 'hello\n' >"$1/blob"
  "$INTEROP_VENV/bin/sigstore" --trust-config "$work/trust-config.json" sign --identity-token "$(cat "$work/token")" --overwrite \
    --bundle "$1/blob.sigstore.json" "$1/blob"
}

foreign_clients_use_the_sandbox() { # NAME
  local name=$1 repository=$REGISTRY/example-org/foreign folder=$work/$1 digest sign
  check "$name: a sample is pushed" "$sandbox" push-sample "$repository"
  digest=$(sed -n 's/.*@//p' "$work/out")
  same "$name: crane reads the same digest" "$digest" "$("$crane" digest --insecure "$repository@$digest" 2>&1)"
  fresh_token "$work/token"
  sign=(-y --signing-config "$SIGNING_CONFIG" --trusted-root "$TRUSTED_ROOT" --identity-token "$(cat "$work/token")")
  check "$name: cosign signs with the sandbox" "$cosign" sign -r "${sign[@]}" "$repository@$digest"
  check "$name: cosign verifies that" verify_with_cosign "$repository@$digest"
  refuses "$IDENTITY_DIFFERS" "$name: cosign refuses another identity" "$cosign" verify --trusted-root "$TRUSTED_ROOT" "${other_identity[@]}" "$repository@$digest"
  client_trust_config "$TRUSTED_ROOT" "$SIGNING_CONFIG" >"$work/trust-config.json"
  fresh_token "$work/token"
  check "$name: sigstore-python signs a blob with the sandbox" blob_with_sigstore_python "$folder"
  check "$name: sigstore-python verifies it" \
    sigstore_verify "$work/trust-config.json" "$folder/blob.sigstore.json" "$folder/blob" releaser@example.com "$ISSUER_URL"
  refuses "$SANS_DIFFER" "$name: sigstore-python refuses another identity" \
    sigstore_verify "$work/trust-config.json" "$folder/blob.sigstore.json" "$folder/blob" somebody@example.com "$ISSUER_URL"
  check "$name: cosign verifies sigstore-python's bundle" "$cosign" verify-blob --bundle "$folder/blob.sigstore.json" \
    --trusted-root "$TRUSTED_ROOT" "${cosign_identity[@]}" "$folder/blob"
}

cosign_accepts_a_sandbox_release() { # NAME
  local name=$1 repository=$REGISTRY/example-org/app config=$work/$1.yaml digest tag
  check "$name: the release's sample is pushed" "$sandbox" push-sample --image-version 1.2.3 "$repository"
  digest=$(sed -n 's/.*@//p' "$work/out")
  write_config "$config" "$repository" ""
  check "$name: promote" promote "$config" "$repository@$digest"
  same "$name: the tags are $VERSION_TAGS" "$VERSION_TAGS" "$(tags_of "$repository")"
  for tag in $VERSION_TAGS; do check "$name: cosign verify :$tag" verify_with_cosign "$repository:$tag"; done
  check "$name: cosign verify-attestation promotion record" attested "$repository@$digest" "$PROMOTION"
}

cosigns_older_layout_is_read() { # NAME: `.sig` and `.att` tags, written with the Rekor v1 that the sandbox has too
  local name=$1 repository=$REGISTRY/example-org/older digest old ours
  check "$name: an unsigned sample is pushed" "$sandbox" push-sample "$repository"
  digest=$(sed -n 's/.*@//p' "$work/out")
  ours=("$countersign" verify --trust-root "$TRUSTED_ROOT" --output json)
  exits 4 "$name: unsigned is refuted" "${ours[@]}" "${our_identity[@]}" "$repository@$digest"
  fresh_token "$work/token"
  old=(-y --new-bundle-format=false --use-signing-config=false --fulcio-url "$FULCIO_URL" --rekor-url "$REKOR_URL"
    --trusted-root "$TRUSTED_ROOT" --identity-token "$(cat "$work/token")")
  check "$name: cosign signs in its older layout" "$cosign" sign -r "${old[@]}" "$repository@$digest"
  check "$name: cosign attests in its older layout" \
    "$cosign" attest "${old[@]}" --type https://example.com/test/v1 --predicate "$SIGNING_CONFIG" "$repository@$digest"
  check "$name: cosign verifies its older signature" \
    "$cosign" verify --new-bundle-format=false --trusted-root "$TRUSTED_ROOT" "${cosign_identity[@]}" "$repository@$digest"
  check "$name: countersign verifies cosign's older signatures" "${ours[@]}" "${our_identity[@]}" --children signed "$repository@$digest"
  same "$name: they are called by their layout" cosign-legacy "$(jq -r '[.nodes[].attestations[].format] | unique[]' "$work/out")"
  check "$name: countersign verifies cosign's older attestation" \
    "${ours[@]}" "${our_identity[@]}" --require https://example.com/test/v1 "$repository@$digest"
  exits 4 "$name: another identity is refuted" \
    "${ours[@]}" --issuer "$ISSUER_URL" --identity somebody@example.com "$repository@$digest"
  check "$name: copy carries the older layout" "$countersign" copy --trust-root "$TRUSTED_ROOT" "${our_identity[@]}" \
    "$repository@$digest" "$REGISTRY/example-org/older-copy"
  check "$name: cosign verifies the copy" \
    "$cosign" verify --new-bundle-format=false --trusted-root "$TRUSTED_ROOT" "${cosign_identity[@]}" "$REGISTRY/example-org/older-copy@$digest"
}

older_signature() { "$cosign" verify --new-bundle-format=false --trusted-root "$TRUSTED_ROOT" "${cosign_identity[@]}" "$1"; }

older_attestation() { # REPOSITORY@DIGEST TYPE: prints the type, when cosign accepts an attestation of it
  "$cosign" verify-attestation --new-bundle-format=false --type "$2" --trusted-root "$TRUSTED_ROOT" "${cosign_identity[@]}" "$1" \
    | head -n 1 | jq -r .payload | base64 -d | jq -er .predicateType
}

layers_under() { "$crane" manifest --insecure "$1" | jq '.layers | length'; } # REPOSITORY:TAG

cosign_accepts_our_older_layout() { # NAME legacy|both: `.sig` and `.att` tags that promote wrote, beside a signature of cosign's
  local name="$1, $2" repository=$REGISTRY/example-org/older-$2 config=$work/$1-$2.yaml digest node old tag
  check "$name: a sample is pushed" "$sandbox" push-sample --image-version 1.2.3 "$repository"
  digest=$(sed -n 's/.*@//p' "$work/out")
  tag=$repository:${digest/:/-}
  fresh_token "$work/token"
  old=(-y --new-bundle-format=false --use-signing-config=false --fulcio-url "$FULCIO_URL" --rekor-url "$REKOR_URL"
    --trusted-root "$TRUSTED_ROOT" --identity-token "$(cat "$work/token")")
  check "$name: cosign signs before us" "$cosign" sign "${old[@]}" "$repository@$digest"
  write_config "$config" "$repository" ""
  echo "signatures: $2" >>"$config"
  check "$name: promote" promote "$config" "$repository@$digest"
  # Its signature and ours, made under one identity, or ours taken for standing.
  check "$name: cosign verifies the index" older_signature "$repository@$digest"
  check "$name: cosign verifies the VSA" older_attestation "$repository@$digest" "$VSA"
  check "$name: cosign verifies the promotion record" older_attestation "$repository@$digest" "$PROMOTION"
  for node in $("$crane" manifest --insecure "$repository@$digest" | jq -r '.manifests[].digest'); do
    check "$name: cosign verifies child ${node:7:8}" older_signature "$repository@$node"
    for kind in "$VSA" https://cyclonedx.org/bom https://cosign.sigstore.dev/attestation/vuln/v1; do
      check "$name: cosign verifies ${kind##*/} of child ${node:7:8}" older_attestation "$repository@$node" "$kind"
    done
  done
  refuses "none of the expected identities matched" "$name: cosign refuses another identity" \
    "$cosign" verify --new-bundle-format=false --trusted-root "$TRUSTED_ROOT" "${other_identity[@]}" "$repository@$digest"
  same "$name: the promotion record and the VSA are under .att" 2 "$(layers_under "$tag.att")"
  fresh_token "$work/token"
  old[${#old[@]}-1]=$(cat "$work/token")
  check "$name: cosign attests beside us" \
    "$cosign" attest "${old[@]}" --type https://example.com/test/v1 --predicate "$SIGNING_CONFIG" "$repository@$digest"
  same "$name: cosign kept ours" 3 "$(layers_under "$tag.att")"
  check "$name: the same promote again" promote "$config" "$repository@$digest"
  same "$name: it is unchanged" unchanged "$(jq -r .state "$work/out")"
  check "$name: cosign verifies without being told the layout" verify_with_cosign "$repository@$digest"
}
