#!/usr/bin/env python3
"""From Trivy's own lists of packages to an advisory database in which every one of them has findings.

usage: advisories.py REPORT.json… > advisories.json     reports of `trivy --list-all-pkgs --format json`

For each package two advisories, filed where Trivy's detector looks for them: one that its version is just below, one that
it has just reached. So a finding shows that name, source name and version are what Trivy takes them for, and a wrong
source version shows as a finding too many or too few. The identifier holds the bucket, the name and the version: two tools
that disagree on the operating system's release cannot agree on a finding by chance.
"""
import hashlib
import json
import re
import sys

# pkg/detector/library/driver.go: type of the result → ecosystem, the prefix of its buckets.
LANGUAGES = {
    "node-pkg": "npm", "python-pkg": "pip", "gemspec": "rubygems", "gobinary": "go", "rustbinary": "cargo", "cargo": "cargo", "jar": "maven",
    "composer-vendor": "composer", "composer": "composer", "dotnet-core": "nuget", "nuget": "nuget", "bitnami": "bitnami",
}


def major(version):
    return version.split(".")[0]


def minor(version):
    return ".".join(version.split(".")[:2])


def amazon(version):
    first = major(version.split()[0])
    return first if first in ("2", "2022", "2023") else "1"


# pkg/detector/ospkg/*: family → (bucket of a release, advisories filed by source package?)
SYSTEMS = {
    "debian": (lambda v: f"debian {major(v)}", True),
    "ubuntu": (lambda v: f"ubuntu {v}", True),
    "alpine": (lambda v: f"alpine {minor(v)}", True),
    "wolfi": (lambda v: "wolfi", True),
    "chainguard": (lambda v: "chainguard", True),
    "alma": (lambda v: f"alma {major(v)}", False),
    "rocky": (lambda v: f"rocky {major(v)}", False),
    "oracle": (lambda v: f"Oracle Linux {major(v)}", False),
    "amazon": (lambda v: f"amazon linux {amazon(v)}", False),
    "photon": (lambda v: f"Photon OS {v}", True),
    "azurelinux": (lambda v: f"Azure Linux {minor(v)}", True),
    "cbl-mariner": (lambda v: f"CBL-Mariner {minor(v)}", True),
    "opensuse-leap": (lambda v: f"openSUSE Leap {v}", False),
    "opensuse-tumbleweed": (lambda v: "openSUSE Tumbleweed", False),
    "sles": (lambda v: f"SUSE Linux Enterprise {v}", False),
    "slem": (lambda v: f"SUSE Linux Enterprise Micro {v}", False),
    "redhat": (lambda v: "Red Hat", False),
    "centos": (lambda v: "Red Hat", False),
}
# The report does not say which stream of a release was chosen, so each gets its own advisories.
STREAMS = {
    "alpine": lambda v: {minor(v), "edge", *(f"3.{n}" for n in range(10, 24))},
    "ubuntu": lambda v: {v, v.removesuffix("-ESM"), v.removesuffix("-ESM") + "-ESM"},
}
# Here Trivy compares the binary package's version, although advisories are filed by source package.
BINARY_VERSION = {"wolfi", "chainguard", "photon"}
MODULAR = {"alma", "rocky", "redhat", "centos"}


def identifier(*parts):
    number = int.from_bytes(hashlib.sha256("\n".join(parts).encode()).digest()[:6])
    return f"CVE-1999-{number}"


def full(epoch, version, release):
    text = version + (f"-{release}" if release else "")
    return f"{epoch}:{text}" if epoch else text


def just_above(family, version):
    if family in ("alpine", "wolfi", "chainguard"):
        head, revision = re.match(r"(.*?)(?:-r(\d+))?$", version).groups()
        return f"{head}-r{int(revision or 0) + 1}"
    return version + ("+parity" if family in ("debian", "ubuntu") else ".0.1")


# countersign plants these in every document, to see that the database is alive: package, identifier, versions.
PLANTED = {"npm": ("lodash", "CVE-2019-10744", "<=0.3.1"), "pip": ("django", "CVE-2019-14234", ">=1.11.0,<1.11.4")}


class Database:
    def __init__(self):
        self.sources, self.vulnerabilities = {}, {}
        for ecosystem, (name, ident, versions) in PLANTED.items():
            self.add(f"{ecosystem}::Parity", "parity", name, ident, {"VulnerableVersions": [versions]})
        # Trivy does not even list the packages of a Red Hat image when it knows no repository.
        self.cpes({})

    def add(self, bucket, origin, package, ident, advisory):
        source = {"source": {"ID": origin, "Name": bucket, "URL": "https://example.org/"}, "packages": {}}
        self.sources.setdefault(bucket, source)["packages"].setdefault(package, {})[ident] = advisory
        self.vulnerabilities[ident] = {"Title": f"{package} in {bucket}", "Severity": "LOW"}

    def language(self, kind, package):
        ecosystem, name, version = LANGUAGES[kind], package["Name"], package.get("Version", "")
        if not version:
            return
        # trivy-db's NormalizePkgName.
        if ecosystem == "pip":
            name = name.replace("_", "-").lower()
        elif ecosystem == "nuget":
            name = name.lower()
        bucket = f"{ecosystem}::Parity"
        exact = f"=={version}" if ecosystem == "pip" else f"={version}"
        self.add(bucket, "parity", name, identifier(bucket, name, version), {"VulnerableVersions": [exact]})
        self.add(bucket, "parity", name, identifier(bucket, name, version, "not"), {"VulnerableVersions": [f"<{version}"]})

    def system(self, family, release, package):
        if family not in SYSTEMS or not release:
            return
        bucket_of, by_source = SYSTEMS[family]
        for stream in sorted(STREAMS.get(family, lambda v: {v})(release)):
            self.release(family, bucket_of(stream), by_source, package)

    def release(self, family, bucket, by_source, package):
        name = package["Name"]
        if by_source:
            name = package.get("SrcName") or ("" if family in ("photon", "azurelinux", "cbl-mariner") else name)
        if not name:
            return
        binary = full(package.get("Epoch", 0), package.get("Version", ""), package.get("Release", ""))
        source = full(package.get("SrcEpoch", 0), package.get("SrcVersion", ""), package.get("SrcRelease", ""))
        version = source if by_source and family not in BINARY_VERSION and source else binary
        label = package.get("Modularitylabel", "")
        if family in MODULAR and label.count(":") >= 2:
            name = ":".join(label.split(":")[:2]) + "::" + name
        for what, fixed in (("", just_above(family, version)), ("not", version)):
            content = (package.get("BuildInfo") or {}).get("ContentSets") or []
            ident = identifier(bucket, name, version, what, *sorted(content))
            if bucket == "Red Hat":
                self.red_hat(name, ident, fixed, package)
            elif family == "oracle":
                entries = [{"FixedVersion": fixed, "Arches": [package.get("Arch", "")]}]
                self.add(bucket, "oracle-oval", name, ident, {"Entries": entries})
            else:
                self.add(bucket, family, name, ident, {"FixedVersion": fixed})

    def red_hat(self, name, ident, fixed, package):
        # Each advisory names the repositories that it is for, as indices of CPEs.
        cves = [{"Severity": 1}]
        arches = [a for a in [package.get("Arch")] if a and a != "noarch"]
        named = (package.get("BuildInfo") or {}).get("ContentSets")
        entry = {"FixedVersion": fixed, "Affected": [1 if named else 0], "Cves": cves}
        if arches:
            entry["Arches"] = arches
        self.add("Red Hat", "redhat", name, ident, {"Entries": [entry]})
        self.cpes(package)

    def cpes(self, package):
        content = (package.get("BuildInfo") or {}).get("ContentSets") or []
        plain = [re.sub(r"__\d+$", "", one) for one in content]
        repositories = {one: [1] for one in plain}
        build = package.get("BuildInfo") or {}
        nvr = {f"{build['Nvr']}-{build['Arch']}": [0]} if build.get("Nvr") else {}
        known = self.sources.setdefault("Red Hat CPE", {"source": None, "packages": {}})["packages"]
        known.setdefault("repository", {one: [0] for one in RED_HAT_REPOSITORIES}).update(repositories)
        known.setdefault("nvr", {}).update(nvr)
        known.setdefault("cpe", {}).update({"0": "cpe:/o:redhat:enterprise_linux", "1": "cpe:/a:redhat:ubi"})


# pkg/detector/ospkg/redhat: what an image without content manifests is taken to be installed from; then the base images'.
RED_HAT_REPOSITORIES = [
    f"rhel-{v}-{r}" for v in (6, 7) for r in ("server-rpms", "server-extras-rpms")
] + [f"rhel-{v}-for-x86_64-{r}-rpms" for v in (8, 9, 10) for r in ("baseos", "appstream")] + [
    f"ubi-{v}-{r}-rpms" for v in (8, 9, 10) for r in ("baseos", "appstream")
]


def main(paths):
    database = Database()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        system = report.get("Metadata", {}).get("OS") or {}
        for result in report.get("Results") or []:
            kind = result.get("Type", "")
            for package in result.get("Packages") or []:
                if kind in LANGUAGES:
                    database.language(kind, package)
                elif result.get("Class") == "os-pkgs":
                    database.system(kind, system.get("Name", ""), package)
    json.dump({"sources": database.sources, "vulnerabilities": database.vulnerabilities}, sys.stdout)


main(sys.argv[1:])
