#!/usr/bin/env bash
# Make the images of the SBOM benchmark as OCI layouts, and print the folder that holds them.
#
#   scripts/bench/sbom-image.sh
#
# Content is real: a Debian with Java, Ruby, PostgreSQL and Debian's own npm (mmdebstrap), node_modules (npm), Python packages
# (pip, wheels only), JARs (Maven Central, by hash) and Go programs (scripts/install-peers.sh). About 1.5 GB raw in five layers:
#
#   big-gzip, big-zstd    all of it (1.5 GB)          mid-gzip   a part of it (0.5 GB)      small-gzip   a smaller one (0.1 GB)
#   pad-0.1, pad-0.5, pad-1.5   always the same packages, and a layer of data that makes up the size (zstd)
#
# Cached under .tools/cache (or BENCH_CACHE), keyed by the scripts that make it: delete that folder for newer packages.
# `summary` in it has a line per image: name, raw bytes, compressed bytes, entries.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
key=$(cat "$0" "$here/sbom_layout.py" "$here/sbom-jars.sum" | sha256sum | cut -c1-16)
out=${BENCH_CACHE:-$root/.tools/cache}/sbom-image-$key
if [ -f "$out/summary" ]; then echo "$out"; exit 0; fi
export PEERS_BIN=${PEERS_BIN:-$root/.tools/peers/bin}
"$root/scripts/install-debian.sh" >&2
"$root/scripts/install-peers.sh" cosign crane syft fulcio rekor-server timestamp-server olareg >&2
for tool in npm python3; do command -v "$tool" >/dev/null || { echo "sbom-image: $tool is not installed" >&2; exit 1; }; done

debian=apt,ca-certificates,curl,git,imagemagick,nginx-light,nodejs,npm,openjdk-17-jre-headless,postgresql,ruby,vim
npm=(webpack@5.95.0 typescript@5.6.3 eslint@8.57.1 jest@29.7.0 @angular/core@18.2.9 lodash@4.17.20 express@4.21.1 antd@5.21.4 @mui/material@6.1.4
  @babel/preset-env@7.25.8)
pip=(django==5.1.2 numpy==2.1.2 pandas==2.2.3 boto3==1.35.40 requests==2.32.3 flask==3.0.3 sqlalchemy==2.0.36)

work=$out.making
rm -rf "$work"; mkdir -p "$work/layers"
layers=$work/layers
pack() { # FOLDER TAR: the same content gives the same bytes
  tar -C "$1" --sort=name --mtime=@1735689600 --owner=0 --group=0 --numeric-owner -cf "$2" .
  rm -rf "$1"
}

export SOURCE_DATE_EPOCH=1735689600
for variant in debian minbase; do
  include=(); [ $variant = minbase ] || include=(--include="$debian")
  mmdebstrap --quiet --variant=minbase --components=main --architectures=amd64 "${include[@]}" bookworm "$layers/$variant.tar" >"$work/$variant.log" 2>&1 \
    || { tail -n 20 "$work/$variant.log" >&2; exit 1; }
done

mkdir -p "$work/node/app"
(cd "$work/node/app" && echo '{"name":"app","version":"1.0.0","private":true}' >package.json \
  && npm install --ignore-scripts --no-audit --no-fund --loglevel=error --legacy-peer-deps "${npm[@]}" >&2)
pack "$work/node" "$layers/node.tar"

mkdir -p "$work/python/opt/app"
python3 -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-compile --platform manylinux2014_x86_64 --python-version 3.11 \
  --implementation cp --target "$work/python/opt/app/site-packages" "${pip[@]}" >&2
pack "$work/python" "$layers/python.tar"

mkdir -p "$work/java/opt/jars"
while read -r hash path; do
  curl -fsSL --retry 3 -o "$work/java/opt/jars/${path##*/}" "https://repo1.maven.org/maven2/$path"
  echo "$hash  $work/java/opt/jars/${path##*/}" | sha256sum --check --status || { echo "sbom-image: $path has another hash" >&2; exit 1; }
done <"$here/sbom-jars.sum"
pack "$work/java" "$layers/java.tar"

mkdir -p "$work/go/usr/local/bin"
for tool in cosign crane fulcio rekor-server timestamp-server olareg; do cp "$PEERS_BIN/$tool" "$work/go/usr/local/bin/"; done
pack "$work/go" "$layers/go.tar"

python3 "$here/sbom_layout.py" "$work"
rm -rf "$layers" "$out"
mv "$work" "$out"
echo "$out"
