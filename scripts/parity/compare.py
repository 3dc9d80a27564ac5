#!/usr/bin/env python3
"""Compare what Trivy finds in an image with what countersign finds in it, as sets of (id, package, version).

usage: compare.py NAME TRIVY.json COUNTERSIGN-SCAN.json TRIVY-OF-OUR-SBOM.json
Prints one line, and after it the differences; exit code 1 when there are any or when there is nothing to compare.
"""
import json
import sys

SHOWN = 12


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def packages(report):
    return {
        (result.get("Type"), p.get("Name"), "-".join(filter(None, (p.get("Version"), p.get("Release")))))
        for result in report.get("Results") or []
        for p in result.get("Packages") or []
    }


def findings(report):
    return {
        (v["VulnerabilityID"], v["PkgName"], v["InstalledVersion"])
        for result in report.get("Results") or []
        for v in result.get("Vulnerabilities") or []
    }


def scanned(scan):
    """One document, or a list of one per platform."""
    items = scan.get("items", [scan])
    if any(item.get("kind") != "Scan" for item in items):
        raise SystemExit(f"no scan: {json.dumps(scan)[:300]}")
    found = {(f["id"], f["package"], f["installed"]) for item in items for f in item["findings"]}
    return found, [a for item in items for a in item["completeness"]["anomalies"]]


def by_package(difference):
    return sorted({f"{name} {version}" for _, name, version in difference})


def main(name, trivy, scan, sbom):
    trivy, sbom = read(trivy), read(sbom)
    expected = findings(trivy)
    found, anomalies = scanned(read(scan))
    theirs, ours = packages(trivy), packages(sbom)
    equal = expected == found and expected
    kinds = ",".join(sorted({kind for kind, *_ in theirs})) or "nothing"
    verdict = "equal" if equal else "NO FINDINGS" if not expected and not found else "DIFFERENT"
    print(
        f"{name:24} {kinds:40} packages trivy {len(theirs):5} ours {len(ours):5}   "
        f"findings trivy {len(expected):5} ours {len(found):5}   {verdict}"
    )
    for title, difference in (("only Trivy", expected - found), ("only countersign", found - expected)):
        if difference:
            listed = by_package(difference)
            more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
            print(f"    {title}: {len(difference)} findings of {', '.join(listed[:SHOWN])}{more}")
    for title, difference in (("listed by Trivy only", theirs - ours), ("listed by us only", ours - theirs)):
        if difference:
            listed = sorted(" ".join(filter(None, (str(part) for part in one))) for one in difference)
            more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
            print(f"    {title}: {', '.join(listed[:SHOWN])}{more}")
    for anomaly in anomalies[:SHOWN]:
        print(f"    anomaly: {anomaly['code']} {anomaly['path']}: {anomaly['detail']}")
    return 0 if equal else 1


sys.exit(main(*sys.argv[1:]))
