# shellcheck shell=bash disable=SC2154
# Sourced by run.sh: SIGKILL at every tenth request of a promote against a registry without the referrers API. Whatever tag is
# visible then is accepted by cosign, and the same command run again finishes the release.

killed_at_every_tenth_request() { # HOST of the registry
  local upstream=$1 port proxy number when repository config digest tags tag status visible bad finished=0 runs=0 with_tags=0
  port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
  proxy=127.0.0.1:$port
  for number in $(seq 10 10 500); do
    when=$([ $((number / 10 % 2)) -eq 0 ] && echo after || echo before)
    repository=example-org/killed-$number config=$work/killed-$number.yaml
    "$sandbox" push-sample --image-version "$VERSION" "$upstream/$repository" >"$work/out" 2>"$work/err" \
      || { fail "SIGKILL: a sample is pushed" "$(tail -n 3 "$work/err")"; return; }
    digest=$(sed -n 's/.*@//p' "$work/out")
    write_config "$config" "$proxy/$repository" ""
    status=0
    (promote_through "$port" "$upstream" "$number" "$when" "$config" "$proxy/$repository@$digest") >"$work/out" 2>"$work/err" || status=$?
    if [ "$status" -eq 3 ]; then finished=1; break; fi
    if [ "$status" -ne 0 ]; then fail "SIGKILL $when request $number" "$(told "$status" kill_at)"; continue; fi
    runs=$((runs + 1))

    # The records name the repository behind the proxy; cosign reads the digests, which are the same on both ways.
    tags=$(tags_of "$upstream/$repository"); visible=$tags bad=
    [ -z "$tags" ] || with_tags=$((with_tags + 1))
    for tag in $tags; do verify_with_cosign "$upstream/$repository:$tag" >"$work/out" 2>"$work/err" || bad="$bad $tag"; done
    status=0
    promote_through "$port" "$upstream" 100000 before "$config" "$proxy/$repository@$digest" >"$work/out" 2>"$work/err" || status=$?
    # unchanged: killed after its last write
    case $(jq -r .state "$work/out" 2>/dev/null) in promoted | unchanged) true ;; *) false ;; esac || bad="$bad rerun: $(jq -c '[.state, .reasons]' "$work/out" 2>/dev/null)"
    tags=$(tags_of "$upstream/$repository")
    [ "$tags" = "$VERSION_TAGS" ] || bad="$bad tags: $tags"
    for tag in $tags; do verify_with_cosign "$upstream/$repository:$tag" >"$work/out" 2>"$work/err" || bad="$bad $tag after the rerun"; done
    if [ -z "$bad" ]; then pass "SIGKILL $when request $number: visible tags (${visible:-none}) verify, the rerun finishes"; else
      fail "SIGKILL $when request $number: visible tags (${visible:-none}) verify, the rerun finishes" "$bad"
    fi
  done
  same "SIGKILL: every tenth request was tried" 1 "$finished"
  echo "          killed $runs times, $with_tags times with tags in place already"
}

promote_through() { # PORT UPSTREAM NUMBER before|after CONFIG CANDIDATE
  local gate=("$1" "$2" "$3" "$4"); shift 4
  fresh_token "$work/token"
  "$here/kill_at.py" "${gate[@]}" "$countersign" promote "$2" --version "$VERSION" --git-ref refs/tags/v1.2.3 --sha "$COMMIT" --config "$1" \
    --output json --trust-root "$TRUSTED_ROOT" --signing-config "$SIGNING_CONFIG" --identity-token-file "$work/token" \
    --trivy "$trivy" --trivy-db "$trivy_db"
}
