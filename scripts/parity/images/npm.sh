#!/usr/bin/env bash
# An application with its packages from the npm registry: scoped ones, several versions of one, and the helper files inside.
set -euo pipefail
app=$1/root/srv/app
mkdir -p "$app"
cat >"$app/package.json" <<'JSON'
{"name": "Shop-Front", "version": "1.4.0", "private": true, "license": "UNLICENSED",
 "dependencies": {"express": "4.16.0", "lodash": "4.17.4", "@babel/core": "7.10.0", "rxjs": "6.5.0", "resolve": "1.20.0", "minimist": "0.0.8"}}
JSON
npm install --silent --ignore-scripts --no-audit --no-fund --prefix "$app" --cache "$1/cache" >/dev/null
rm -rf "$1/cache"
