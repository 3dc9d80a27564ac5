#!/usr/bin/env bash
# Start or stop a real Sigstore on loopback: token issuers, CT log, Fulcio, Rekor v2, timestamp authority.
#
#   scripts/interop/stack.sh up|down DIR
#
# PEERS_BIN    folder of scripts/install-peers.sh (default .tools/peers/bin)
# INTEROP_VENV virtual environment of scripts/install-python.sh (default .tools/venv)
# Writes DIR/trusted_root.json, signing_config.json, env (to be sourced) and log/. Keys and ports stay over down and up.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
group=stack
# shellcheck source=scripts/interop/processes.sh
. "$here/processes.sh"
begin "$@"

bin=${PEERS_BIN:-$root/.tools/peers/bin}
python=${INTEROP_VENV:-$root/.tools/venv}/bin/python
for program in "$bin"/{cosign,fulcio,rekor-server,timestamp-server} "$python"; do
  [ -x "$program" ] || die "$program is missing: run scripts/install-peers.sh and scripts/install-python.sh"
done
keys=$dir/keys
"$python" "$here/authority_keys.py" "$keys"
[ -f "$dir/ports" ] || free_ports 9 >"$dir/ports"
read -r issuer_port ct_port fulcio_port fulcio_grpc fulcio_metrics rekor_port rekor_grpc rekor_metrics stamp_port <"$dir/ports"
issuer=http://127.0.0.1:$issuer_port ct=http://127.0.0.1:$ct_port fulcio=http://127.0.0.1:$fulcio_port
rekor=http://127.0.0.1:$rekor_port stamp=http://127.0.0.1:$stamp_port
rekor_origin=rekor.interop.test   # the log's name; clients read it in the trust root, it need not resolve

launch issuer "$python" "$here/token_issuer.py" "$issuer_port" "$keys"
launch ct "$python" "$here/ct_log.py" "$ct_port" "$keys/ct.key" "$keys/ca.pem"
launch rekor "$bin/rekor-server" serve --http-address 127.0.0.1 --http-port "$rekor_port" --grpc-address 127.0.0.1 --grpc-port "$rekor_grpc" \
  --http-metrics-port "$rekor_metrics" --hostname "$rekor_origin" --storage-dir "$dir/rekor" --signer-filepath "$keys/rekor.key" \
  --checkpoint-interval 1s --batch-max-age 100ms --persistent-antispam

# The timestamp authority's metrics port is fixed. Where another process holds it, give ours a network of its own and
# reach it over a unix socket; that needs the right to make a network namespace.
stamper=("$bin/timestamp-server" serve --timestamp-signer file --file-signer-key-path "$keys/stamper.key"
  --certificate-chain-path "$keys/stamper.pem" --disable-ntp-monitoring --log-type prod)
if python3 -c 'import socket; socket.create_server(("", 2112))' 2>/dev/null; then
  launch stamp "${stamper[@]}" --scheme http --host 127.0.0.1 --port "$stamp_port"
else
  rm -f "$dir/stamp.sock"
  launch stamp-apart unshare --net "${stamper[@]}" --scheme unix --socket-path "$dir/stamp.sock"
  launch stamp "$python" "$here/forward.py" "$stamp_port" "unix:$dir/stamp.sock"
fi

await issuer "$issuer/people/.well-known/openid-configuration"   # Fulcio asks both as it starts
await ct "$ct/ct/v1/get-roots"
rm -f "$dir/fulcio.sock"                                         # left by a killed Fulcio, and then it refuses to start
"$python" "$here/token_issuer.py" "$issuer_port" --fulcio-config >"$dir/fulcio.json"
launch fulcio "$bin/fulcio" serve --host 127.0.0.1 --port "$fulcio_port" --grpc-host 127.0.0.1 --grpc-port "$fulcio_grpc" \
  --metrics-port "$fulcio_metrics" --legacy-unix-domain-socket "$dir/fulcio.sock" --config-path "$dir/fulcio.json" --log_type prod \
  --ca=fileca --fileca-cert "$keys/ca.pem" --fileca-key "$keys/ca.key" --fileca-key-passwd "$(cat "$keys/ca.password")" \
  --fileca-watch=false --ct-log-url="$ct" --ct-log-public-key-path "$keys/ct.pub"
await rekor "$rekor/healthz"
await stamp "$stamp/ping"
await fulcio "$fulcio/healthz"

valid=start-time=$(date -u -d '-1 day' +%Y-%m-%dT%H:%M:%SZ)
service() { echo "url=$1,api-version=$2,$valid,operator=interop"; }
if [ ! -f "$dir/trusted_root.json" ]; then
  "$bin/cosign" trusted-root create --out "$dir/trusted_root.json" \
    --fulcio="url=$fulcio,certificate-chain=$keys/ca.pem" --ctfe="url=$ct,public-key=$keys/ct.pub,$valid" \
    --rekor="url=http://$rekor_origin,public-key=$keys/rekor.pub,$valid,origin=$rekor_origin" \
    --tsa="url=$stamp/api/v1/timestamp,certificate-chain=$keys/stamper.pem"
  "$bin/cosign" signing-config create --out "$dir/signing_config.json" \
    --oidc-provider="$(service "$issuer/people" 1)" --fulcio="$(service "$fulcio" 1)" \
    --rekor="$(service "$rekor" 2)" --rekor-config=EXACT:1 --tsa="$(service "$stamp/api/v1/timestamp" 1)" --tsa-config=EXACT:1
fi
if [ ! -f "$dir/first-entry" ]; then
  # protobuf's JSON leaves out `logIndex` 0 and the empty list of hashes, and sigstore-python 4.5.1 refuses such a bundle.
  curl -fsS --noproxy '*' "$issuer/people/token" -o "$dir/token"
  "$bin/cosign" sign-blob -y --signing-config "$dir/signing_config.json" --trusted-root "$dir/trusted_root.json" \
    --identity-token "$(cat "$dir/token")" --bundle "$dir/first-entry" "$dir/ports" >/dev/null 2>"$dir/log/first-entry.log" \
    || { tail -n 5 "$dir/log/first-entry.log" >&2; die "the services do not sign"; }
  rm -f "$dir/token"
fi
cat >"$dir/env" <<ENV
export ISSUER_URL=$issuer/people
export WORKFLOW_ISSUER_URL=$issuer/workflows
export FULCIO_URL=$fulcio
export REKOR_URL=$rekor
export TSA_URL=$stamp/api/v1/timestamp
export TRUSTED_ROOT=$dir/trusted_root.json
export SIGNING_CONFIG=$dir/signing_config.json
ENV
echo "stack: Fulcio $fulcio, Rekor v2 $rekor, timestamps $stamp, tokens $issuer/people/token; . $dir/env"
