#!/usr/bin/env bash
# Python packages from PyPI: wheels, sources that setuptools installs as .egg-info, an egg, packages inside packages.
set -euo pipefail
site=$1/root/usr/lib/python3/dist-packages
mkdir -p "$site"
pip=(python3 -m pip install --quiet --disable-pip-version-check --no-compile --no-warn-script-location --no-deps)
"${pip[@]}" --only-binary :all: --python-version 3.11 --target "$site" \
  Django==3.2.10 requests==2.25.0 urllib3==1.26.4 Jinja2==2.11.2 PyYAML==6.0.1 zope.interface==6.3 ruamel.yaml==0.17.21 \
  setuptools==75.6.0 typing_extensions==4.12.2
# What older installers left: the same metadata under other names.
python3 - "$site" <<'PY'
import pathlib, shutil, sys, zipfile
site = pathlib.Path(sys.argv[1])
metadata = lambda name: next(site.glob(f"{name}-*.dist-info")) / "METADATA"
(site / "Jinja2-2.11.2.egg-info").mkdir()
shutil.move(metadata("[Jj]inja2"), site / "Jinja2-2.11.2.egg-info" / "PKG-INFO")
shutil.move(metadata("requests"), site / "requests-2.25.0-py3.egg-info")
with zipfile.ZipFile(site / "urllib3-1.26.4-py3.egg", "w", zipfile.ZIP_DEFLATED) as egg:
    for file in sorted((site / "urllib3").rglob("*.py")):
        egg.write(file, file.relative_to(site))
    egg.write(metadata("urllib3"), "EGG-INFO/PKG-INFO")
shutil.rmtree(site / "urllib3")
shutil.rmtree(next(site.glob("urllib3-*.dist-info")))
PY

# conda's record of a package: listed by both, matched by neither.
meta=$1/root/opt/conda/envs/app/conda-meta
mkdir -p "$meta"
cat >"$meta/zlib-1.2.13-h5eee18b_0.json" <<'JSON'
{"name": "zlib", "version": "1.2.13", "build": "h5eee18b_0", "build_number": 0, "subdir": "linux-64", "license": "Zlib",
 "channel": "https://conda.example.com/pkgs/main/linux-64", "fn": "zlib-1.2.13-h5eee18b_0.conda", "files": ["lib/libz.so"]}
JSON
