#!/usr/bin/env python3
"""mmdebstrap extract hook: record the extracted packages in dpkg's database, as an installation would.

`mmdebstrap --variant=extract` lays down the files of a foreign architecture without running anything of it, so dpkg's
database stays empty. The control data of the very same .deb files is written there; only maintainer scripts never ran.

usage: mark_unpacked.py ROOT      (ROOT/var/cache/apt/archives holds the .deb files)
"""
import pathlib
import subprocess
import sys
import tempfile

root = pathlib.Path(sys.argv[1])
database = root / "var/lib/dpkg"
(database / "info").mkdir(parents=True, exist_ok=True)


def record(deb):
    """Write the package's lists beside the database and return its status paragraph."""
    with tempfile.TemporaryDirectory() as control:
        subprocess.run(["dpkg-deb", "--control", deb, control], check=True)
        fields = (pathlib.Path(control) / "control").read_text()
        lines = fields.strip().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("Package:"))
        arch = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("Architecture:"))
        shared = any(line.strip().lower() == "multi-arch: same" for line in lines)
        stem = f"{name}:{arch}" if shared else name
        for part in ("md5sums", "conffiles"):
            source = pathlib.Path(control) / part
            if source.exists():
                (database / "info" / f"{stem}.{part}").write_bytes(source.read_bytes())
    listing = subprocess.run(["dpkg-deb", "--contents", deb], check=True, capture_output=True, text=True).stdout
    paths = []
    for line in listing.splitlines():
        path = line.split(None, 5)[5].split(" -> ")[0].split(" link to ")[0]
        paths.append("/" + path.removeprefix("./").rstrip("/"))
    paths[0] = "/."
    (database / "info" / f"{stem}.list").write_text("\n".join(paths) + "\n")
    return "\n".join([lines[0], "Status: install ok installed", *lines[1:]]) + "\n"


debs = sorted((root / "var/cache/apt/archives").glob("*.deb"))
if not debs:
    sys.exit("mark_unpacked: no .deb files under var/cache/apt/archives")
(database / "status").write_text("\n".join(record(deb) for deb in debs))
print(f"mark_unpacked: {len(debs)} packages", file=sys.stderr)
