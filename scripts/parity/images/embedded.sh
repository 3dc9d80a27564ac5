#!/usr/bin/env bash
# SBOMs inside an image: Bitnami's form of SPDX, Trivy's own CycloneDX, SPDX tags and values, and a claim about another
# distribution's package that must not count.
set -euo pipefail
root=$1/root
mkdir -p "$root/etc" "$root/var/lib/dpkg" "$root/opt/bitnami/elasticsearch" "$root/opt/bitnami/postgresql" "$root/var/lib/db/sbom" "$root/srv"
printf 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n' >"$root/etc/os-release"
echo 12.9 >"$root/etc/debian_version"
printf 'Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\nVersion: 3.0.9-1\nMaintainer: A <a@example.com>\n\n' >"$root/var/lib/dpkg/status"
python3 - "$root" <<'PY'
import json, pathlib, sys
root = pathlib.Path(sys.argv[1])

def package(ident, name, version, purl, licence="MIT", **more):
    category = more.pop("category", "PACKAGE-MANAGER")
    return {"SPDXID": f"SPDXRef-{ident}", "name": name, "versionInfo": version, "downloadLocation": "NONE",
            "licenseConcluded": licence, "licenseDeclared": licence, "filesAnalyzed": False, "copyrightText": "NOASSERTION",
            "externalRefs": [
                {"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": f"cpe:2.3:*:x:{ident}:{version}:*:*:*:*:*:*:*"},
                {"referenceCategory": category, "referenceType": "purl", "referenceLocator": purl}], **more}

def document(name, packages, files=(), relationships=()):
    return {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": name, "dataLicense": "CC0-1.0",
            "documentNamespace": f"https://example.com/{name}", "creationInfo": {"created": "2024-01-01T00:00:00Z", "creators": ["Organization: Example"]},
            "packages": packages, "files": list(files), "relationships": list(relationships)}

def related(a, kind, b):
    return {"spdxElementId": f"SPDXRef-{a}", "relationshipType": kind, "relatedSpdxElement": f"SPDXRef-{b}"}

postgresql = document("postgresql", [
    package("postgresql", "PostgreSQL", "15.3.0", "pkg:bitnami/postgresql@15.3.0?arch=amd64", "PostgreSQL"),
    package("geos", "GEOS", "3.8.3", "pkg:bitnami/geos@3.8.3", "LGPL-2.1-only"),
    package("gdal", "GDAL", "3.7.1", "pkg:bitnami/gdal@3.7.1"),
], relationships=[related("DOCUMENT", "DESCRIBES", "postgresql"), related("postgresql", "CONTAINS", "geos"), related("postgresql", "CONTAINS", "gdal")])
(root / "opt/bitnami/postgresql/.spdx-postgresql.spdx").write_text(json.dumps(postgresql, indent=2))

elasticsearch = document("elasticsearch", [
    package("elasticsearch", "Elasticsearch", "8.9.1", "pkg:bitnami/elasticsearch@8.9.1?arch=amd64", "Elastic-2.0", category="PACKAGE_MANAGER"),
    {"SPDXID": "SPDXRef-Application-1", "name": "jar", "downloadLocation": "NONE", "sourceInfo": "Java", "filesAnalyzed": False},
    package("Package-1", "co.elastic.apm:apm-agent", "1.36.0", "pkg:maven/co.elastic.apm/apm-agent@1.36.0", "NONE", hasFiles=["SPDXRef-File-1"]),
    package("Package-2", "com.fasterxml.jackson.core:jackson-core", "2.13.0", "pkg:maven/com.fasterxml.jackson.core/jackson-core@2.13.0", "NONE"),
], files=[{"SPDXID": "SPDXRef-File-1", "fileName": "modules/apm/elastic-apm-agent-1.36.0.jar", "copyrightText": "",
           "checksums": [{"algorithm": "SHA1", "checksumValue": "da39a3ee5e6b4b0d3255bfef95601890afd80709"}]}],
    relationships=[related("elasticsearch", "CONTAINS", "Application-1"), related("Application-1", "CONTAINS", "Package-1"), related("Application-1", "CONTAINS", "Package-2")])
(root / "opt/bitnami/elasticsearch/.spdx-elasticsearch.spdx").write_text(json.dumps(elasticsearch, indent=2))

system = document("system", [
    package("Package-libssl3", "libssl3", "3.0.9-1", "pkg:deb/debian/libssl3@3.0.9-1?arch=amd64&distro=debian-12", sourceInfo="built package from: openssl 3.0.9-1"),
    package("Package-tzdata", "tzdata", "2024a-0+deb12u1", "pkg:deb/debian/tzdata@2024a-0%2Bdeb12u1?arch=all&distro=debian-12", sourceInfo="built package from: tzdata 2024a-0+deb12u1"),
    package("Package-bash", "bash", "5.1-6ubuntu1", "pkg:deb/ubuntu/bash@5.1-6ubuntu1?arch=amd64&distro=ubuntu-22.04"),
    package("Package-generic", "generic", "1", "pkg:generic/generic@1"),
])
(root / "var/lib/db/sbom/system.spdx.json").write_text(json.dumps(system, indent=2))

def component(name, purl, **more):
    return {"bom-ref": purl, "type": "library", "name": name, "version": purl.rsplit("@")[-1], "purl": purl, **more}

bom = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
       "metadata": {"component": {"bom-ref": "root", "type": "application", "name": "shop", "version": "2.0.0", "purl": "pkg:npm/shop@2.0.0"}},
       "components": [
           component("core", "pkg:npm/%40babel/core@7.10.0", group="@babel"), component("Foo_Bar.baz", "pkg:pypi/foo-bar.baz@1.0"),
           component("github.com/Masterminds/semver", "pkg:golang/github.com/masterminds/semver@v1.4.0"),
           component("rack", "pkg:gem/rack@2.0.1"), component("time", "pkg:cargo/time@0.1.40"),
           component("Newtonsoft.Json", "pkg:nuget/Newtonsoft.Json@12.0.1"), component("http-foundation", "pkg:composer/symfony/http-foundation@v4.4.0", group="symfony"),
           {"bom-ref": "nothing", "type": "library", "name": "without purl", "version": "1"}, {"bom-ref": "f", "type": "file", "name": "a.txt"}]}
(root / "srv/shop.cdx.json").write_text(json.dumps(bom))

(root / "srv/tags.spdx").write_text("""SPDXVersion: SPDX-2.3
DataLicense: CC0-1.0
SPDXID: SPDXRef-DOCUMENT
DocumentName: tags
DocumentNamespace: https://example.com/tags
Creator: Organization: Example
Created: 2024-01-01T00:00:00Z

PackageName: lodash
SPDXID: SPDXRef-Package-lodash
PackageVersion: 4.17.4
PackageDownloadLocation: NONE
FilesAnalyzed: false
PackageLicenseConcluded: MIT
PackageLicenseDeclared: MIT
PackageCopyrightText: <text>Copyright
several lines</text>
ExternalRef: PACKAGE-MANAGER purl pkg:npm/lodash@4.17.4
""")
PY
