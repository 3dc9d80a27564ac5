#!/usr/bin/env python3
"""Save the Sigstore bundles that refer to a digest, with nothing but the standard library.

usage: fetch_bundles.py HOST/REPOSITORY sha256:… OUT
Reads the referrers API, or the fallback tag where there is none. Prints `PREDICATE-TYPE FILE` per bundle.
"""
import base64
import hashlib
import json
import pathlib
import sys
import urllib.error
import urllib.request

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(host, path, accept):
    request = urllib.request.Request(f"http://{host}/v2/{path}", headers={"Accept": accept})
    with direct.open(request, timeout=20) as answer:
        return answer.read()


def referrers(host, repository, digest):
    try:
        return json.loads(get(host, f"{repository}/referrers/{digest}", INDEX))
    except urllib.error.HTTPError as refused:
        if refused.code not in (404, 405):
            raise
    return json.loads(get(host, f"{repository}/manifests/{digest.replace(':', '-')}", INDEX))


def main(reference, digest, out):
    host, _, repository = reference.partition("/")
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for entry in referrers(host, repository, digest)["manifests"]:
        manifest = json.loads(get(host, f"{repository}/manifests/{entry['digest']}", MANIFEST))
        layer = manifest["layers"][0]
        if layer["mediaType"] != BUNDLE:
            continue
        raw = get(host, f"{repository}/blobs/{layer['digest']}", "*/*")
        if "sha256:" + hashlib.sha256(raw).hexdigest() != layer["digest"]:
            sys.exit(f"fetch_bundles: {layer['digest']} has other bytes")
        statement = json.loads(base64.b64decode(json.loads(raw)["dsseEnvelope"]["payload"]))
        file = out / (layer["digest"].removeprefix("sha256:")[:16] + ".sigstore.json")
        file.write_bytes(raw)
        print(statement["predicateType"], file)


main(*sys.argv[1:])
