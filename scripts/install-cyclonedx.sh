#!/bin/sh
# Installs CycloneDX's official JSON schemas and a validator into .tools/cyclonedx/ and prints that folder.
#
# Needs python3 with pip and the configured Python package index only. `cyclonedx-python-lib` ships the schemas
# unchanged (its cyclonedx/schema/_res/README.md); `jsonschema` 4.17 with its two pure-Python dependencies reads them.
# All wheels are pinned by SHA-256 and only unpacked. Run again, it does nothing. Used as
#   python3 .tools/cyclonedx/validate.py SBOM…
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
target=$root/.tools/cyclonedx
stamp=$target/.stamp
want=$(sha256sum <"$0")

if [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ]; then
    printf '%s\n' "$target"
    exit 0
fi

rm -rf "$target"
mkdir -p "$target"
work=$(mktemp -d "$target/.install.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

cat >"$work/requirements.txt" <<'REQUIREMENTS'
attrs==26.1.0 --hash=sha256:c647aa4a12dfbad9333ca4e71fe62ddc36f4e63b2d260a37a8b83d2f043ac309
cyclonedx-python-lib==11.12.0 --hash=sha256:0e807521a921a5c3cb8ce1153f8a61d29eedfe76a46aac2796b7c6b573391a54
jsonschema==4.17.3 --hash=sha256:a870ad254da1a8ca84b6a2905cac29d265f805acc57af304784962a2aa6508f6
pyrsistent==0.20.0 --hash=sha256:c55acc4733aad6560a7f5f818466631f07efc001fd023f34a6c203f8b6df0f0b
REQUIREMENTS
# Wheels for any platform: pyrsistent has compiled ones too, with other hashes.
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --platform any \
    --implementation py --python-version 3.11 --require-hashes --requirement "$work/requirements.txt" --dest "$work" >&2

python3 - "$work" "$target" <<'PY'
import pathlib, sys, zipfile
work, target = map(pathlib.Path, sys.argv[1:])
for wheel in sorted(work.glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            schema = name.startswith("cyclonedx/schema/_res/") and name.endswith(".schema.json")
            package = name.split("/")[0] in {"attr", "attrs", "jsonschema", "pyrsistent", "_pyrsistent_version.py"}
            if schema:
                (target / name.rsplit("/", 1)[1].replace(".SNAPSHOT", "")).write_bytes(archive.read(name))
            elif package:
                archive.extract(name, target / "python")
PY

cat >"$target/validate.py" <<'PY'
"""Validates CycloneDX documents against the official schema of the version they state. Exit 1 when one does not fit."""
import json, pathlib, sys
here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here / "python"))
import jsonschema

store = {}
for path in here.glob("*.schema.json"):
    schema = json.loads(path.read_text())
    for name in (path.name, path.name.replace(".schema", ".SNAPSHOT.schema")):
        store["http://cyclonedx.org/schema/" + name] = schema
bad = 0
for name in sys.argv[1:]:
    document = json.loads(pathlib.Path(name).read_text())
    schema = store[f"http://cyclonedx.org/schema/bom-{document['specVersion']}.schema.json"]
    resolver = jsonschema.RefResolver(schema["$id"], schema, store=store)
    validator = jsonschema.Draft7Validator(schema, resolver=resolver, format_checker=jsonschema.draft7_format_checker)
    errors = list(validator.iter_errors(document))
    for error in errors[:10]:
        print(f"{name}: {error.json_path}: {error.message[:300]}")
    bad += bool(errors)
    print(f"{name}: CycloneDX {document['specVersion']}, {len(document.get('components', []))} components, {len(errors)} errors")
sys.exit(1 if bad or len(sys.argv) < 2 else 0)
PY
printf '%s\n' "$want" >"$stamp"
printf '%s\n' "$target"
