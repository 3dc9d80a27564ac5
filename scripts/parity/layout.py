#!/usr/bin/env python3
"""Write an OCI image layout of one linux/amd64 image from uncompressed layer tars, lowest first.

usage: layout.py OUT LAYER.tar…
Prints the manifest's digest. The same tars give the same digest.
"""
import gzip
import hashlib
import json
import pathlib
import shutil
import sys

CREATED = "2025-01-01T00:00:00Z"
OCI = "application/vnd.oci.image"
CHUNK = 1 << 20


def write_json(blobs, media_type, value):
    raw = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(raw).hexdigest()
    (blobs / digest).write_bytes(raw)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(raw)}


def write_layer(blobs, tar):
    plain, pending = hashlib.sha256(), blobs / "pending"
    with open(tar, "rb") as source, open(pending, "wb") as sink:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=sink, mtime=0) as packed:
            while chunk := source.read(CHUNK):
                plain.update(chunk)
                packed.write(chunk)
    with open(pending, "rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    size = pending.stat().st_size
    pending.rename(blobs / digest)
    return {"mediaType": f"{OCI}.layer.v1.tar+gzip", "digest": f"sha256:{digest}", "size": size}, "sha256:" + plain.hexdigest()


def main(out, *tars):
    out = pathlib.Path(out)
    shutil.rmtree(out, ignore_errors=True)
    blobs = out / "blobs/sha256"
    blobs.mkdir(parents=True)
    layers, diff_ids = zip(*(write_layer(blobs, tar) for tar in tars))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": CREATED,
        "config": {"Env": ["PATH=/usr/sbin:/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "history": [{"created": CREATED, "created_by": "parity"} for _ in tars],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": write_json(blobs, f"{OCI}.config.v1+json", config),
        "layers": list(layers),
    }
    top = write_json(blobs, manifest["mediaType"], manifest)
    index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [top]}
    (out / "index.json").write_text(json.dumps(index))
    (out / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    print(top["digest"])


main(*sys.argv[1:])
