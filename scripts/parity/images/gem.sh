#!/usr/bin/env bash
# Ruby gems as Debian packs them, unpacked without dpkg's database: nobody owns them, so they count.
set -euo pipefail
mkdir "$1/root" "$1/debs"
cd "$1/debs"
apt-get download -qq libruby3.1 ruby-rack ruby-nokogiri ruby-addressable ruby-json ruby-i18n ruby-tzinfo ruby-activesupport >/dev/null
for deb in *.deb; do dpkg-deb --extract "$deb" "$1/root"; done
cd / && rm -rf "$1/debs"
