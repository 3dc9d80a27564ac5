#!/usr/bin/env bash
# Programs of Go: installed, built with a stamped version, with replaced modules, stripped, position independent, for other
# systems and machines, and of a toolchain from before build information was written inline (1.18).
set -euo pipefail
root=$1/root work=$1/work
mkdir -p "$root/usr/local/bin" "$root/srv/downloads" "$work/main" "$work/local"
export GOFLAGS=-mod=mod GOWORK=off GOBIN=$work/bin GOTOOLCHAIN=local CGO_ENABLED=0
go install github.com/gogo/protobuf/protoc-gen-gofast@v1.3.1
cp "$GOBIN"/* "$root/usr/local/bin"

cat >"$work/local/go.mod" <<<'module example.org/local'
echo 'package local; func Say() string { return "local" }' >"$work/local/local.go"
cat >"$work/main/go.mod" <<'MOD'
module example.org/Tool/v2
go 1.17
require (
  example.org/local v1.0.0
  github.com/gogo/protobuf v1.3.0
  github.com/Masterminds/semver v1.4.2
)
replace example.org/local => ../local
replace github.com/gogo/protobuf => github.com/gogo/protobuf v1.3.1
MOD
cat >"$work/main/main.go" <<'GO'
package main

import (
	"example.org/local"
	"github.com/Masterminds/semver"
	"github.com/gogo/protobuf/proto"
)

var version = "none"

func main() { println(version, local.Say(), semver.MustParse("1").String(), proto.Bool(true)) }
GO
build() { # OUT ARG…
  local out=$1; shift
  (cd "$work/main" && go build -o "$root/$out" "$@" .)
}
build usr/local/bin/plain
build usr/local/bin/stamped -ldflags='-s -w -X main.version=2.3.4 -X main.commit=abc'
build usr/local/bin/moved -buildmode=pie
GOARCH=s390x build usr/local/bin/big-endian
GOOS=windows build srv/downloads/tool.exe
GOOS=darwin GOARCH=arm64 build srv/downloads/tool-darwin
chmod 644 "$root/srv/downloads/tool.exe"
export GOTOOLCHAIN=go1.17.13
build usr/local/bin/old
GOOS=windows build srv/downloads/old.exe
GOOS=darwin build srv/downloads/old-darwin
GOARCH=386 build usr/local/bin/old-narrow
# Not executable: no program.
cp "$root/usr/local/bin/old" "$root/srv/downloads/data"
chmod 644 "$root/srv/downloads/data"
