# shellcheck shell=bash disable=SC2154
# Sourced by run.sh: one whole release on one registry, then every claim checked with somebody else's tools.
# Uses what run.sh sets: countersign, layout, summary, trivy, trivy_db, work, TRUSTED_ROOT, SIGNING_CONFIG.

VERSION=1.2.3
VERSION_TAGS="1 1.2 1.2.3 latest v1.2.3"
COMMIT=0123456789abcdef0123456789abcdef01234567
SIGNATURE=https://sigstore.dev/cosign/sign/v1
VSA=https://slsa.dev/verification_summary/v1
IDENTITY_DIFFERS="no matching CertificateIdentity found"
PROMOTION=https://countersign.dev/promotion/v1

digest_of() { awk -v name="$1" '$1 == name { print $2 }' "$summary"; }   # index | linux/amd64 | linux/arm64

fresh_token() { # FILE: tokens live ten minutes, so each command gets its own
  curl -fsS --noproxy '*' "$token_url" -o "$1"; chmod 600 "$1"
}

write_config() { # FILE REPOSITORY DENIED-SEVERITIES
  cat >"$1" <<YAML
version: 1
images:
  - repository: $2
    require: { platforms: [linux/amd64, linux/arm64] }
tags: { preset: both }
identity:
$expected_identity
policy:
  vulnerabilities: { deny: [$3], warn: [HIGH] }
  scan: { max-age: 7d, max-db-age: 3650d }
YAML
}

as_person() { # identity of a human release manager: an e-mail address
  token_url="$ISSUER_URL/token"
  expected_identity="  issuer: $ISSUER_URL
  identity: releaser@example.com"
  cosign_identity=(--certificate-identity releaser@example.com --certificate-oidc-issuer "$ISSUER_URL")
  other_identity=(--certificate-identity somebody@example.com --certificate-oidc-issuer "$ISSUER_URL")
  our_identity=(--issuer "$ISSUER_URL" --identity releaser@example.com)
}

as_workflow() { # identity of a CI workflow, with the certificate extensions that GitHub Actions gets
  token_url="$WORKFLOW_ISSUER_URL/token"
  expected_identity="  issuer: $WORKFLOW_ISSUER_URL
  github: { repository: example-org/app, workflow: .github/workflows/gate.yml }
  release: { ref: \"refs/tags/v*\" }"
  local workflow=https://github.com/example-org/app/.github/workflows/gate.yml
  cosign_identity=(--certificate-identity "$workflow@refs/tags/v1.2.3" --certificate-oidc-issuer "$WORKFLOW_ISSUER_URL"
    --certificate-github-workflow-repository example-org/app --certificate-github-workflow-ref refs/tags/v1.2.3)
  other_identity=(--certificate-identity "$workflow@refs/heads/main" --certificate-oidc-issuer "$WORKFLOW_ISSUER_URL")
  our_identity=(--issuer "$WORKFLOW_ISSUER_URL" --github-repository example-org/app --github-workflow .github/workflows/gate.yml
    --github-ref 'refs/tags/v*')
}

promote() { # CONFIG REPOSITORY@DIGEST OPTION…
  local config=$1 candidate=$2; shift 2
  fresh_token "$work/token"
  "$countersign" promote "$candidate" --version "$VERSION" --git-ref refs/tags/v1.2.3 --sha "$COMMIT" --config "$config" --output json \
    --trust-root "$TRUSTED_ROOT" --signing-config "$SIGNING_CONFIG" --identity-token-file "$work/token" \
    --trivy "$trivy" --trivy-db "$trivy_db" "$@"
}

scan() { # REPOSITORY@DIGEST CONFIG
  "$countersign" scan "$1" --config "$2" --output json --trivy "$trivy" --trivy-db "$trivy_db"
}

contents() { # what the registry holds on disk; uploads in progress are not contents
  (cd "$data" && find . -type f -not -path '*/_uploads/*' -printf '%P\n' | LC_ALL=C sort | xargs -r -d '\n' sha256sum | sha256sum)
}

tags_of() { # REPOSITORY: without the tags that stand in for the referrers API
  local listed
  if ! listed=$("$crane" ls --insecure "$1" 2>&1); then
    # a repository without any tag may be unknown to the tag list
    grep -q NAME_UNKNOWN <<<"$listed" || { echo "no answer: $listed"; return; }
    listed=
  fi
  { grep -v '^sha256-' <<<"$listed" || true; } | LC_ALL=C sort | xargs
}

attested() { # REPOSITORY@DIGEST TYPE: the predicate, when cosign accepts the attestation
  "$cosign" verify-attestation --type "$2" --trusted-root "$TRUSTED_ROOT" "${cosign_identity[@]}" "$1" 2>"$work/err" \
    | head -n 1 | jq -r .payload | base64 -d | jq .predicate
}

verify_with_cosign() { "$cosign" verify --trusted-root "$TRUSTED_ROOT" "${cosign_identity[@]}" "$1"; }

gate_against() { # NAME HOST DATA-FOLDER
  local name=$1 repository=$2/example-org/app; data=$3
  echo "== $name ($repository)"
  index=$repository@$(digest_of index)
  local config=$work/$name.yaml before plan
  write_config "$config" "$repository" ""

  check "$name: push prints the digest" "$countersign" push "$layout" "$repository"
  same "$name: the pushed digest is the layout's" "$index" "$(pushed)"
  same "$name: a push makes no tag" "" "$(tags_of "$repository")"

  deny_first "$name" "$repository"
  before=$(contents)
  check "$name: a plan is made" promote "$config" "$index" --plan
  plan=$(jq -r '[.images[].moves[] | select(.action == "create") | .tag] | sort | join(" ")' "$work/out" 2>/dev/null)
  same "$name: the plan creates the five tags" "$VERSION_TAGS" "$plan"
  same "$name: the plan wrote nothing" "$before" "$(contents)"

  mark_log
  local began=$SECONDS
  check "$name: promote" promote "$config" "$index" --evidence-dir "$work/$name-evidence"
  cp "$work/out" "$work/$name-promotion.json"
  echo "          $(jq -r '"state \(.state), decision \(.decision)"' "$work/out" 2>/dev/null) in about $((SECONDS - began)) s"
  same "$name: its state is promoted" promoted "$(jq -r .state "$work/out" 2>/dev/null)"
  count_requests "$name" "$repository"
  same "$name: the tags are $VERSION_TAGS" "$VERSION_TAGS" "$(tags_of "$repository")"
  local tag
  for tag in $VERSION_TAGS; do
    same "$name: $tag is the promoted digest" "$(digest_of index)" "$("$crane" digest --insecure "$repository:$tag" 2>&1)"
  done

  cosign_accepts "$name" "$repository"
  evidence_is_right "$name" "$repository"
  rerun_is_quiet "$name" "$config"
  own_verification "$name" "$repository" "$config"
  conflict_is_refused "$name" "$repository" "$config"
}

pushed() { # the reference in the last output, as text or as JSON
  grep -oE '[^ "]*@?sha256:[0-9a-f]{64}' "$work/out" | head -n 1 | sed -E "s|^(sha256:)|$repository@\1|"
}

deny_first() { # NAME REPOSITORY: a policy that forbids what the scan finds stops the release before any write
  local config=$work/$1-deny.yaml before worst
  write_config "$config" "$2" ""
  check "$1: scan of linux/amd64" scan "$2@$(digest_of linux/amd64)" "$config"
  worst=$(jq -r '[.findings[].severity] | unique as $all | ["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"] | map(select(. as $s | $all | index($s)))[0] // ""' "$work/out" 2>/dev/null)
  echo "          $(jq -r '"\(.findings | length) findings: \([.findings[].severity] | group_by(.) | map("\(length) \(.[0])") | join(", ")); isolation \(.scanner.isolation)"' "$work/out" 2>/dev/null)"
  if [ -z "$worst" ]; then fail "$1: the scan finds something in a Debian image"; return; fi
  write_config "$config" "$2" "$worst"
  before=$(contents)
  exits 3 "$1: denying $worst stops the release with exit 3" promote "$config" "$index"
  same "$1: its decision is deny" deny "$(jq -r .decision "$work/out" 2>/dev/null)"
  same "$1: the denied release wrote nothing" "$before" "$(contents)"
  same "$1: the denied release has no tag" "" "$(tags_of "$2")"
}

cosign_accepts() { # NAME REPOSITORY
  local node digest
  for node in index linux/amd64 linux/arm64; do
    digest=$(digest_of "$node")
    check "$1: cosign verify $node" verify_with_cosign "$2@$digest"
    same "$1: cosign saw the signature of $node" true "$(jq -s --arg type "$SIGNATURE" 'flatten | any(.critical.type == $type)' "$work/out" 2>/dev/null)"
    refuses "$IDENTITY_DIFFERS" "$1: cosign refuses another identity on $node" \
      "$cosign" verify --trusted-root "$TRUSTED_ROOT" "${other_identity[@]}" "$2@$digest"
    check "$1: cosign verify-attestation VSA on $node" attested "$2@$digest" "$VSA"
    same "$1: the VSA of $node says PASSED" PASSED "$(jq -r .verificationResult "$work/out" 2>/dev/null)"
  done
  for node in linux/amd64 linux/arm64; do
    check "$1: cosign verify-attestation cyclonedx on $node" attested "$2@$(digest_of "$node")" cyclonedx
    cp "$work/out" "$work/$1-${node#linux/}-sbom.json"
    check "$1: cosign verify-attestation vuln on $node" attested "$2@$(digest_of "$node")" vuln
    cp "$work/out" "$work/$1-${node#linux/}-vuln.json"
  done
  check "$1: cosign verify-attestation promotion record" attested "$2@$(digest_of index)" "$PROMOTION"
  same "$1: the record names version $VERSION" "$VERSION" "$(jq -r '.version // empty' "$work/out" 2>/dev/null | sed 's/^v//')"
  for tag in $VERSION_TAGS; do check "$1: cosign verify :$tag" verify_with_cosign "$2:$tag"; done
}

dpkg_packages() { # PLATFORM: how many packages dpkg's own database in the image lists
  local manifest layer
  manifest=$layout/blobs/sha256/$(digest_of "$1" | cut -d: -f2)
  layer=$layout/blobs/sha256/$(jq -r '.layers[0].digest' "$manifest" | cut -d: -f2)
  tar -xzOf "$layer" ./var/lib/dpkg/status | grep -c '^Status: .* installed'
}

evidence_is_right() { # NAME REPOSITORY: against dpkg's database, and against Trivy looking at the image itself
  local node arch packages
  for node in linux/amd64 linux/arm64; do
    arch=${node#linux/}
    packages=$(jq '[.components[] | select((.purl // "") | startswith("pkg:deb/"))] | length' "$work/$1-$arch-sbom.json" 2>/dev/null)
    same "$1: the SBOM of $node lists every package of dpkg's database" "$(dpkg_packages "$node")" "$packages"
    # Trivy reads the image from the registry by itself: an independent path to the same findings.
    if ! "$trivy" image --quiet --image-src remote --insecure --scanners vuln --format json --cache-dir "$trivy_db" --cache-backend memory \
      --skip-db-update --skip-check-update --skip-vex-repo-update --offline-scan --skip-version-check --disable-telemetry \
      "$2@$(digest_of "$node")" >"$work/direct.json" 2>"$work/err"; then
      fail "$1: Trivy reads $node by itself" "$(tail -n 5 "$work/err")"; continue
    fi
    same "$1: the attested findings of $node are Trivy's own" \
      "$(findings "$work/direct.json" | sha256sum)" "$(findings "$work/$1-$arch-vuln.json" | sha256sum)"
    echo "          $node: $packages packages, $(findings "$work/$1-$arch-vuln.json" | wc -l) findings attested, $(findings "$work/direct.json" | wc -l) by Trivy on the image"
  done
}

findings() { # FILE: `CVE package version`, from a Trivy report or from the predicate that countersign attests
  jq -r '[.. | objects
    | (select(has("VulnerabilityID") and has("PkgName")) | "\(.VulnerabilityID) \(.PkgName) \(.InstalledVersion)"),
      (select(has("id") and has("installed") and has("severity")) | "\(.id) \(.package) \(.installed)")] | unique[]' "$1" 2>/dev/null
}

rerun_is_quiet() { # NAME CONFIG
  local before; before=$(contents)
  mark_log
  check "$1: the same promote again" promote "$2" "$index"
  same "$1: the rerun's state is unchanged" unchanged "$(jq -r .state "$work/out" 2>/dev/null)"
  same "$1: the rerun changed nothing in the registry" "$before" "$(contents)"
  [ -z "$access_log" ] || same "$1: the rerun sent no write request" 0 "$(requests | grep -cE '"(PUT|POST|PATCH|DELETE) ')"
}

own_verification() { # NAME REPOSITORY CONFIG: our verify and resolve with the identity of the configuration
  local trust=(--config "$3" --trust-root "$TRUSTED_ROOT" --output json)
  check "$1: verify :1.2" "$countersign" verify "$2:1.2" "${trust[@]}"
  same "$1: its verdict is verified" verified "$(jq -r .verdict "$work/out" 2>/dev/null)"
  check "$1: resolve :latest" "$countersign" resolve "$2:latest" "${trust[@]}"
  same "$1: resolve gives the digest" "$(digest_of index)" "$(jq -r .digest "$work/out" 2>/dev/null)"
}

conflict_is_refused() { # NAME REPOSITORY CONFIG: a version tag never moves to another digest
  local before; before=$(contents)
  exits 8 "$1: version $VERSION of another digest is a conflict" promote "$3" "$2@$(digest_of linux/amd64)"
  same "$1: the conflict changed nothing" "$before" "$(contents)"
}

mark_log() { log_start=$(if [ -n "$access_log" ]; then wc -l <"$access_log"; else echo 0; fi); }

requests() { sleep 0.2; tail -n "+$((log_start + 1))" "$access_log" | grep -E '"(GET|HEAD|PUT|POST|PATCH|DELETE) /v2/'; }

count_requests() { # NAME REPOSITORY
  [ -n "$access_log" ] || return 0
  local tags="/v2/${2#*/}/(manifests/(v?[0-9][0-9.]*|latest)|tags/list)[ ?]" about
  requests >"$work/requests"
  about=$(grep -cE "$tags" "$work/requests")
  echo "          $(wc -l <"$work/requests") requests in all, $about about tags"
  at_most "$1: requests about the five tags, 3N+3 for N" $((3 * 5 + 3)) "$about"
}

accepts_cosigns_work() { # NAME HOST: what cosign signed and attested, countersign verifies; what it did not, countersign refuses
  local name=$1 repository=$2/example-org/by-cosign unsigned=$2/example-org/unsigned attested_only=$2/example-org/attested-only
  local trust=(--trust-root "$TRUSTED_ROOT" --output json) sign=(-y --signing-config "$SIGNING_CONFIG" --trusted-root "$TRUSTED_ROOT" --identity-token)
  local digest child repo
  digest=$(digest_of index); child=$(digest_of linux/amd64)
  for repo in "$repository" "$unsigned" "$attested_only"; do "$crane" push --insecure "$layout" "$repo@$digest" >/dev/null 2>&1; done
  echo '{"bomFormat":"CycloneDX","specVersion":"1.5","components":[]}' >"$work/empty-sbom.json"
  fresh_token "$work/token"
  check "$name: cosign sign -r" "$cosign" sign -r "${sign[@]}" "$(cat "$work/token")" "$repository@$digest"
  check "$name: cosign attest" "$cosign" attest "${sign[@]}" "$(cat "$work/token")" --type cyclonedx --predicate "$work/empty-sbom.json" "$repository@$child"
  check "$name: cosign attest without a signature" \
    "$cosign" attest "${sign[@]}" "$(cat "$work/token")" --type cyclonedx --predicate "$work/empty-sbom.json" "$attested_only@$child"
  check "$name: countersign verifies cosign's signatures" "$countersign" verify "$repository@$digest" "${our_identity[@]}" "${trust[@]}"
  same "$name: their verdict is verified" verified "$(jq -r .verdict "$work/out" 2>/dev/null)"
  check "$name: countersign verifies cosign's signature and SBOM" \
    "$countersign" verify "$repository@$child" --require signature,sbom "${our_identity[@]}" "${trust[@]}"
  exits 4 "$name: a scan nobody attested is refuted" \
    "$countersign" verify "$repository@$child" --require vulnerability "${our_identity[@]}" "${trust[@]}"
  exits 4 "$name: another identity is refuted" \
    "$countersign" verify "$repository@$digest" --issuer "$ISSUER_URL" --identity somebody@example.com "${trust[@]}"
  exits 4 "$name: an unsigned image is refuted" "$countersign" verify "$unsigned@$digest" "${our_identity[@]}" "${trust[@]}"
  # cosign 3.1.2 itself takes any attestation for a signature here
  exits 4 "$name: an attestation is no signature" "$countersign" verify "$attested_only@$child" "${our_identity[@]}" "${trust[@]}"
}
