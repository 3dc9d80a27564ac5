#!/usr/bin/env python3
"""Write an OCI image layout: one index, one gzip layer per platform. The same tars give the same digests.

usage: write_layout.py OUT LABEL=VALUE… -- linux/amd64=a.tar linux/arm64=b.tar
Prints `index DIGEST`, then `PLATFORM DIGEST COMPRESSED-BYTES` per line.
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


def write_blob(blobs, media_type, raw):
    digest = hashlib.sha256(raw).hexdigest()
    (blobs / digest).write_bytes(raw)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(raw)}


def write_json(blobs, media_type, value):
    return write_blob(blobs, media_type, json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def write_layer(blobs, tar):
    """Compress a tar. Returns its descriptor and the digest of the uncompressed bytes."""
    plain, pending = hashlib.sha256(), blobs / "pending"
    with open(tar, "rb") as source, open(pending, "wb") as sink:
        # No file name and no time in the header, or the digest would depend on where and when this ran.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=sink, mtime=0) as packed:
            while chunk := source.read(CHUNK):
                plain.update(chunk)
                packed.write(chunk)
    with open(pending, "rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    size = pending.stat().st_size
    pending.rename(blobs / digest)
    layer = {"mediaType": f"{OCI}.layer.v1.tar+gzip", "digest": f"sha256:{digest}", "size": size}
    return layer, "sha256:" + plain.hexdigest()


def write_image(blobs, labels, platform, tar):
    os_name, architecture = platform.split("/")[:2]
    layer, diff_id = write_layer(blobs, tar)
    config = {
        "architecture": architecture,
        "os": os_name,
        "created": CREATED,
        "config": {"Cmd": ["nginx", "-g", "daemon off;"], "Env": ["PATH=/usr/sbin:/usr/bin"], "User": "www-data", "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": CREATED, "created_by": "mmdebstrap"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": write_json(blobs, f"{OCI}.config.v1+json", config),
        "layers": [layer],
    }
    descriptor = write_json(blobs, manifest["mediaType"], manifest)
    return {**descriptor, "platform": {"os": os_name, "architecture": architecture}}, layer["size"]


def main(arguments):
    out = pathlib.Path(arguments[0])
    split = arguments.index("--")
    labels = dict(pair.split("=", 1) for pair in arguments[1:split])
    shutil.rmtree(out, ignore_errors=True)
    blobs = out / "blobs/sha256"
    blobs.mkdir(parents=True)
    manifests, lines = [], []
    for pair in arguments[split + 1:]:
        platform, tar = pair.split("=", 1)
        descriptor, size = write_image(blobs, labels, platform, tar)
        manifests.append(descriptor)
        lines.append(f"{platform} {descriptor['digest']} {size}")
    index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": manifests}
    top = write_json(blobs, index["mediaType"], index)
    (out / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": index["mediaType"], "manifests": [top]}))
    (out / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    print(f"index {top['digest']}", *lines, sep="\n")


main(sys.argv[1:])
