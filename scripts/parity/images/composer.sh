#!/usr/bin/env bash
# PHP packages as Composer 2 records them. Packagist is no registry that every builder reaches, so the record is written here,
# with the fields that Composer writes.
set -euo pipefail
mkdir -p "$1/root/var/www/html/vendor/composer" "$1/root/srv/other/vendor/composer"
python3 - "$1/root" <<'PY'
import json, pathlib, sys
root = pathlib.Path(sys.argv[1])

def record(names, dev):
    packages = []
    for name, version, licence in names:
        packages.append({
            "name": name, "version": version, "version_normalized": version.removeprefix("v") + ".0",
            "source": {"type": "git", "url": f"https://github.com/{name}.git", "reference": "0" * 40},
            "dist": {"type": "zip", "url": f"https://api.github.com/repos/{name}/zipball", "reference": "0" * 40, "shasum": ""},
            "require": {"php": ">=7.2", "ext-json": "*"}, "time": "2021-01-01T00:00:00+00:00", "type": "library",
            "installation-source": "dist", "license": licence, "authors": [{"name": "A. Uthor", "email": "author@example.com"}],
            "install-path": f"../{name}",
        })
    return {"packages": packages, "dev": True, "dev-package-names": dev}

first = record([
    ("monolog/monolog", "2.0.0", ["MIT"]), ("symfony/http-foundation", "v4.4.0", ["MIT"]), ("symfony/http-kernel", "v4.4.0", ["MIT"]),
    ("guzzlehttp/guzzle", "6.5.0", ["MIT"]), ("guzzlehttp/psr7", "1.6.1", ["MIT"]), ("laravel/framework", "v6.18.0", ["MIT"]),
    ("phpunit/phpunit", "9.5.0", ["BSD-3-Clause"]), ("doctrine/dbal", "2.10.0", ["MIT"]), ("dompdf/dompdf", "v1.0.0", ["LGPL-2.1"]),
    ("phpmailer/phpmailer", "v6.1.0", ["LGPL-2.1-only"]), ("roave/security-advisories", "dev-master", ["MIT"]),
], ["phpunit/phpunit"])
second = record([("monolog/monolog", "1.25.0", ["MIT"]), ("twig/twig", "v2.12.0", ["BSD-3-Clause"])], [])
for folder, content in (("var/www/html", first), ("srv/other", second)):
    (root / folder / "vendor/composer/installed.json").write_text(json.dumps(content, indent=4))
PY
