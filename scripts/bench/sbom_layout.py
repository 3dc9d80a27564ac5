#!/usr/bin/env python3
"""Write the benchmark's images from FOLDER/layers/*.tar as OCI layouts beside it; see sbom-image.sh.

usage: sbom_layout.py FOLDER
"""
import hashlib
import io
import json
import pathlib
import random
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor

OCI = "application/vnd.oci.image"
PACK = {"gzip": ["gzip", "-n", "-6", "-c"], "zstd": ["zstd", "-q", "-3", "-c"]}
CHUNK = 1 << 20
IMAGES = {
    "small-gzip": ("gzip", ["minbase"]),
    "mid-gzip": ("gzip", ["minbase", "node", "java"]),
    "big-gzip": ("gzip", ["debian", "node", "python", "java", "go"]),
    "big-zstd": ("zstd", ["debian", "node", "python", "java", "go"]),
}
PADDED = {"pad-0.1": 0, "pad-0.5": 500_000_000, "pad-1.5": 1_500_000_000}


def digest(path):
    with open(path, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def pad(path, size):
    """One file of `size` bytes that compress about two to one, as programs do."""
    noise = random.Random(1).randbytes(CHUNK // 2)
    block = noise + bytes(CHUNK // 2)
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("srv/data.bin")
        info.size = size
        tar.addfile(info, Repeated(block, size))


class Repeated(io.RawIOBase):
    def __init__(self, block, size):
        self.block, self.left, self.turn = block, size, 0

    def read(self, n=-1):
        n = min(n, self.left, len(self.block))
        # A different block each time, or the whole file would compress to nothing.
        self.turn += 1
        key = self.turn.to_bytes(4, "little")
        self.left -= n
        return (key + hashlib.shake_128(key).digest(n // 2) + self.block[n // 2 + 4:])[:n]


class Layers:
    def __init__(self, folder):
        self.folder, self.made = folder, {}

    def get(self, name, packing):
        if (name, packing) not in self.made:
            tar = self.folder / "layers" / f"{name}.tar"
            packed = self.folder / f"{name}.{packing}"
            with open(tar, "rb") as source, open(packed, "wb") as sink:
                subprocess.run(PACK[packing], stdin=source, stdout=sink, check=True)
            with tarfile.open(tar) as archive:
                entries = sum(1 for _ in archive)
            self.made[name, packing] = (packed, digest(packed), packed.stat().st_size, digest(tar), tar.stat().st_size, entries)
        return self.made[name, packing]


def write_image(folder, name, layers, packing):
    blobs = folder / name / "blobs/sha256"
    blobs.mkdir(parents=True)
    for path, hashed, *_ in layers:
        (blobs / hashed.removeprefix("sha256:")).hardlink_to(path)

    def blob(media_type, value):
        raw = json.dumps(value, sort_keys=True).encode()
        hashed = hashlib.sha256(raw).hexdigest()
        (blobs / hashed).write_bytes(raw)
        return {"mediaType": media_type, "digest": f"sha256:{hashed}", "size": len(raw)}

    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer[3] for layer in layers]}}
    descriptors = [{"mediaType": f"{OCI}.layer.v1.tar+{packing}", "digest": layer[1], "size": layer[2]} for layer in layers]
    manifest = {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "config": blob(f"{OCI}.config.v1+json", config), "layers": descriptors}
    index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [blob(manifest["mediaType"], manifest)]}
    (folder / name / "index.json").write_text(json.dumps(index))
    (folder / name / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return f"{name} {sum(layer[4] for layer in layers)} {sum(layer[2] for layer in layers)} {sum(layer[5] for layer in layers)}"


def main(folder):
    layers, lines = Layers(folder), []
    wanted = {(part, packing) for packing, parts in IMAGES.values() for part in parts} | {("minbase", "zstd")}
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda pair: layers.get(*pair), sorted(wanted)))
    for name, (packing, parts) in IMAGES.items():
        lines.append(write_image(folder, name, [layers.get(part, packing) for part in parts], packing))
    base = ["minbase", "java"]
    raw = sum(layers.get(part, "zstd")[4] for part in base)
    for name, size in PADDED.items():
        pad(folder / "layers" / f"{name}.tar", max(size - raw, CHUNK))
        lines.append(write_image(folder, name, [layers.get(part, "zstd") for part in [*base, name]], "zstd"))
        (folder / "layers" / f"{name}.tar").unlink()
    for path, *_ in layers.made.values():
        path.unlink()
    (folder / "summary").write_text("\n".join(lines) + "\n")


main(pathlib.Path(sys.argv[1]))
