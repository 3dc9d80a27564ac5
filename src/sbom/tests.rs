use super::*;
use crate::packages::{Anomaly, AnomalyCode, Inventory, Os, apk, dpkg, npm};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

fn subject() -> SbomSubject {
    SbomSubject {
        repository: Some("ghcr.io/acme/shop".parse().unwrap()),
        digest: Digest::of(b"manifest"),
        platform: Some("linux/amd64".parse().unwrap()),
        config: Digest::of(b"config"),
        diff_ids: vec![Digest::of(b"layer")],
        labels: [("org.opencontainers.image.version".to_owned(), "1.2.3".to_owned())].into(),
        artifact_type: None,
        size: 42,
    }
}

pub(super) fn inventory() -> Inventory {
    let status = "Package: libssl3\nArchitecture: amd64\nMaintainer: OpenSSL Team <a@b.org>\nSource: openssl\n\
        Version: 1:3.0.13-1+b1\nDepends: libc6\n\nPackage: libc6\nArchitecture: amd64\nVersion: 2.36-9\n";
    let mut packages = dpkg::parse("var/lib/dpkg/status", status.as_bytes()).packages;
    for path in ["a", "b"] {
        let text = br#"{"name":"@x/y","version":"1.0.0","license":"MIT OR Apache-2.0"}"#;
        packages.extend(npm::parse(&format!("{path}/node_modules/@x/y/package.json"), text).packages);
    }
    packages.sort();
    let os = Os { id: "debian".to_owned(), version: "12".to_owned(), name: Some("Debian 12".to_owned()) };
    Inventory { os: Some(os), packages, anomalies: Vec::new() }
}

pub(super) fn write(inventory: &Inventory, second: i64) -> Vec<u8> {
    let serial = Uuid::from_u128(u128::from(second.unsigned_abs()));
    document(inventory, &subject(), Timestamp::from_second(second).unwrap(), serial).unwrap()
}

pub(super) fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

pub(super) fn named<'a>(document: &'a Value, name: &str) -> &'a Value {
    document["components"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap()
}

pub(super) fn property(component: &Value, name: &str) -> Option<String> {
    let list = component["properties"].as_array().unwrap();
    let found = list.iter().find(|p| p["name"] == format!("aquasecurity:trivy:{name}"));
    found.map(|p| p["value"].as_str().unwrap().to_owned())
}

#[test]
fn every_property_that_decides_which_advisories_match_is_there() {
    let document = json(&write(&inventory(), 1));
    let os = named(&document, "debian");
    assert_eq!((&os["type"], &os["version"]), (&Value::from("operating-system"), &Value::from("12")));
    assert_eq!((property(os, "Class").unwrap(), property(os, "Type").unwrap()), ("os-pkgs".into(), "debian".into()));
    let ssl = named(&document, "libssl3");
    assert_eq!(ssl["version"], "1:3.0.13-1+b1");
    assert!(
        ssl["purl"]
            .as_str()
            .unwrap()
            .starts_with("pkg:deb/debian/libssl3@3.0.13-1%2Bb1?arch=amd64&distro=debian-12&epoch=1")
    );
    for (name, value) in [
        ("SrcName", "openssl"),
        ("SrcEpoch", "1"),
        ("SrcVersion", "3.0.13"),
        ("SrcRelease", "1+b1"),
        ("PkgType", "debian"),
        ("PkgID", "libssl3@1:3.0.13-1+b1"),
    ] {
        assert_eq!(property(ssl, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(ssl["supplier"]["name"], "OpenSSL Team");
    let npm = named(&document, "y");
    assert_eq!(
        (&npm["group"], &npm["licenses"][0]["expression"]),
        (&Value::from("@x"), &Value::from("MIT OR Apache-2.0"))
    );
    assert_eq!(property(npm, "FilePath").as_deref(), Some("a/node_modules/@x/y/package.json"));
}

#[test]
fn the_image_is_the_root_of_the_graph() {
    let document = json(&write(&inventory(), 1));
    let root = &document["metadata"]["component"];
    let digest = Digest::of(b"manifest");
    let purl = format!("pkg:oci/shop@sha256%3A{}?arch=amd64&repository_url=ghcr.io%2Facme%2Fshop", digest.hex());
    assert_eq!((&root["type"], &root["purl"]), (&Value::from("container"), &Value::from(purl)));
    assert_eq!(property(root, "ImageID").unwrap(), Digest::of(b"config").to_string());
    assert_eq!(property(root, "RepoDigest").unwrap(), format!("ghcr.io/acme/shop@{digest}"));
    let below = |of: &Value| {
        let all = document["dependencies"].as_array().unwrap();
        all.iter().find(|d| d["ref"] == *of).unwrap()["dependsOn"].as_array().unwrap().len()
    };
    assert_eq!(below(&root["bom-ref"]), 3, "the OS and two npm packages");
    assert_eq!(below(&named(&document, "debian")["bom-ref"]), 2);
    assert_eq!(below(&named(&document, "libssl3")["bom-ref"]), 1);
}

#[test]
fn the_same_inventory_gives_the_same_document_but_for_time_and_serial() {
    let (a, b) = (write(&inventory(), 1), write(&inventory(), 1));
    assert_eq!(a, b);
    let later = write(&inventory(), 99);
    assert_ne!(a, later);
    assert!(equivalent(&a, &later).unwrap());
    let mut other = inventory();
    other.packages.pop();
    assert!(!equivalent(&a, &write(&other, 1)).unwrap());
}

#[test]
fn anomalies_make_the_document_incomplete_and_stand_in_it() {
    let aggregate = |inventory: &Inventory| json(&write(inventory, 1))["compositions"][0]["aggregate"].clone();
    let mut odd = inventory();
    assert_eq!(aggregate(&odd), "complete");
    odd.anomalies.push(Anomaly {
        code: AnomalyCode::DatabaseUnsupported,
        path: "opt/app.jar".to_owned(),
        layer: None,
        detail: "Java archives are not catalogued yet".to_owned(),
    });
    assert_eq!(aggregate(&odd), "incomplete");
    assert!(String::from_utf8(write(&odd, 1)).unwrap().contains("database-unsupported opt/app.jar"));
}

#[test]
fn findings_are_mapped_back_by_unique_references() {
    let bytes = write(&inventory(), 1);
    let found = components(&bytes).unwrap();
    assert_eq!(found.len(), 5, "one OS, two debs, one npm package at two paths");
    assert_eq!(found.values().filter(|c| c.name == "@x/y" && c.version == "1.0.0").count(), 2);
    assert!(components(b"{}").is_err());
    assert!(components(br#"{"bomFormat":"CycloneDX","components":[{"name":"x"}]}"#).is_err());
}

#[test]
fn the_version_can_be_raised_to_1_6() {
    let bytes = with_spec_version(&write(&inventory(), 1), "1.6".parse().unwrap()).unwrap();
    let document = json(&bytes);
    assert_eq!((&document["specVersion"], &document["bomFormat"]), (&Value::from("1.6"), &Value::from("CycloneDX")));
    assert!("1.7".parse::<SpecVersion>().is_err());
}

#[test]
fn the_crate_accepts_what_it_wrote() {
    use cyclonedx_bom::prelude::{Bom, Validate};
    let bom = Bom::parse_from_json_v1_5(&write(&inventory(), 1)[..]).unwrap();
    let result = bom.validate();
    assert!(result.passed(), "{result:?}");
}

#[test]
fn alpine_packages_name_their_origin() {
    let packages = apk::parse("lib/apk/db/installed", b"P:libssl3\nV:3.1.4-r5\nA:x86_64\no:openssl\nL:Apache-2.0\n")
        .parsed
        .packages;
    let os = Os { id: "alpine".to_owned(), version: "3.19.1".to_owned(), name: None };
    let document = json(&write(&Inventory { os: Some(os), packages, anomalies: Vec::new() }, 1));
    let ssl = named(&document, "libssl3");
    assert_eq!(property(ssl, "SrcName").as_deref(), Some("openssl"));
    assert_eq!(property(ssl, "SrcVersion").as_deref(), Some("3.1.4-r5"));
    assert_eq!(ssl["licenses"][0]["license"]["id"], "Apache-2.0");
}
