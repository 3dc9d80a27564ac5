# shellcheck shell=bash disable=SC2154
# Sourced by run.sh: a registry that refuses the referrers API with 405. cosign 3.1.2 cannot sign, attest or verify there; promote
# uses the fallback tag. cosign and sigstore-python judge the bundles by themselves.

gate_where_the_api_is_refused() { # NAME HOST DATA-FOLDER
  local name=$1 repository=$2/example-org/app config=$work/$1.yaml node digest type bundle seen=0; data=$3
  echo "== $name ($repository)"
  index=$repository@$(digest_of index)
  write_config "$config" "$repository" ""
  same "$name: the referrers API is refused" 405 \
    "$(curl -s --noproxy '*' -o "$work/out" -w '%{http_code}' "http://$2/v2/example-org/app/referrers/$(digest_of index)")"
  check "$name: push" "$countersign" push "$layout" "$repository"
  exits 7 "$name: verify before the release is unknown, not unsigned" \
    "$countersign" verify "$index" --config "$config" --trust-root "$TRUSTED_ROOT" --output json
  check "$name: promote" promote "$config" "$index"
  same "$name: its state is promoted" promoted "$(jq -r .state "$work/out" 2>/dev/null)"
  same "$name: the tags are $VERSION_TAGS" "$VERSION_TAGS" "$(tags_of "$repository")"
  for node in index linux/amd64 linux/arm64; do
    digest=$(digest_of "$node")
    "$here/fetch_bundles.py" "$repository" "$digest" "$work/bundles" >"$work/bundles.list" 2>"$work/err" \
      || { fail "$name: the fallback tag lists the bundles of $node" "$(tail -n 3 "$work/err")"; continue; }
    while read -r type bundle; do
      seen=$((seen + 1))
      check "$name: cosign verifies the bundle of $type on $node" "$cosign" verify-blob-attestation --bundle "$bundle" --trusted-root "$TRUSTED_ROOT" \
        "${cosign_identity[@]}" --type "$type" --digest "${digest#sha256:}" --digestAlg sha256
    done <"$work/bundles.list"
  done
  same "$name: signature and VSA on three nodes, SBOM and report on two, one record" 11 "$seen"
  sigstore_python_accepts "$name" "$repository"
  rerun_is_quiet "$name" "$config"
  check "$name: verify :1.2" "$countersign" verify "$repository:1.2" --config "$config" --trust-root "$TRUSTED_ROOT" --output json
  same "$name: its verdict is verified" verified "$(jq -r .verdict "$work/out" 2>/dev/null)"
  # Whether the version was withdrawn cannot be seen: an API that answers 405 may hold what the fallback tag does not.
  exits 7 "$name: resolve cannot tell" "$countersign" resolve "$repository:latest" --config "$config" --trust-root "$TRUSTED_ROOT" --output json
}
