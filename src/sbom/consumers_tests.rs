//! What each reader of our documents needs of them; one test per consumer, named after its rule.

use super::tests::{inventory, json, named, property, write};
use super::*;
use crate::packages::{Anomaly, AnomalyCode, Ecosystem, Inventory, Os, Package, Source};
use serde_json::Value;

fn document_of(os: &str, version: &str, packages: Vec<Package>) -> Value {
    let os = Os { id: os.to_owned(), version: version.to_owned(), name: None };
    json(&write(&Inventory { os: Some(os), packages, anomalies: Vec::new() }, 1))
}

fn edges(document: &Value) -> BTreeMap<String, Vec<String>> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = |value: &Value| value.as_array().map(|all| all.iter().map(text).collect()).unwrap_or_default();
    document["dependencies"].as_array().unwrap().iter().map(|d| (text(&d["ref"]), list(&d["dependsOn"]))).collect()
}

/// aquasecurity/trivy, pkg/sbom/cyclonedx/unmarshal.go and pkg/sbom/io/decode.go: the one OS component gives family and
/// release; source name, version, release and epoch are properties; RPM advisories need arch, epoch and module.
#[test]
fn trivy_finds_family_release_source_and_module() {
    let rpm = Package {
        architecture: Some("x86_64".to_owned()),
        source: Some(Source { name: "nodejs".to_owned(), version: "1:18.19.0-1.module".to_owned() }),
        modularity: Some("nodejs:18:8090020240101:a1b2:x86_64".to_owned()),
        ..Package::new(Ecosystem::Rpm, "nodejs-docs", "1:18.19.0-1.module", "var/lib/rpm/rpmdb.sqlite")
    };
    let document = document_of("rocky", "8.9", vec![rpm]);
    let os: Vec<_> =
        document["components"].as_array().unwrap().iter().filter(|c| c["type"] == "operating-system").collect();
    assert_eq!((os.len(), &os[0]["name"], &os[0]["version"]), (1, &Value::from("rocky"), &Value::from("8.9")));
    let package = named(&document, "nodejs-docs");
    for (name, value) in [
        ("SrcName", "nodejs"),
        ("SrcVersion", "18.19.0"),
        ("SrcRelease", "1.module"),
        ("SrcEpoch", "1"),
        ("Modularitylabel", "nodejs:18:8090020240101:a1b2:x86_64"),
        ("PkgType", "rocky"),
    ] {
        assert_eq!(property(package, name).as_deref(), Some(value), "{name}");
    }
    let purl = package["purl"].as_str().unwrap();
    assert!(purl.starts_with("pkg:rpm/rocky/nodejs-docs@18.19.0-1.module?arch=x86_64&"), "{purl}");
    assert!(purl.contains("&epoch=1"), "{purl}");
}

/// anchore/syft, syft/format/internal/cyclonedxutil/helpers: the distribution from the OS component and the purl's
/// `distro`, the source package from its `upstream`.
#[test]
fn grype_finds_distribution_and_source_in_the_purl() {
    let document = json(&write(&inventory(), 1));
    let purl = named(&document, "libssl3")["purl"].as_str().unwrap().to_owned();
    assert!(purl.contains("distro=debian-12") && purl.contains("upstream=openssl"), "{purl}");
    assert_eq!(document["components"][0]["type"], "operating-system");
}

/// Dependency-Track: a graph that starts at metadata.component and reaches every component; group and name apart.
#[test]
fn dependency_track_reaches_every_component_from_the_root() {
    let maven = Package::new(Ecosystem::Maven, "org.acme:core", "1.0", "app/core.jar");
    let composer = Package::new(Ecosystem::Composer, "acme/http", "2.0", "app/vendor/composer/installed.json");
    let mut all = inventory();
    all.packages.extend([maven, composer]);
    let document = json(&write(&all, 1));
    for (name, group) in [("core", "org.acme"), ("http", "acme"), ("y", "@x")] {
        assert_eq!(named(&document, name)["group"], group);
    }
    let edges = edges(&document);
    let mut todo = vec![document["metadata"]["component"]["bom-ref"].as_str().unwrap().to_owned()];
    let mut reached = std::collections::BTreeSet::new();
    while let Some(next) = todo.pop() {
        if reached.insert(next.clone()) {
            todo.extend(edges.get(&next).unwrap_or_else(|| panic!("{next} has no entry")).iter().cloned());
        }
    }
    let components = document["components"].as_array().unwrap();
    assert!(components.iter().all(|c| reached.contains(c["bom-ref"].as_str().unwrap())));
    assert_eq!(reached.len(), components.len() + 1);
}

/// guacsec/guac, pkg/ingestor/parser/cyclonedx: metadata.component of type container with a purl, and a bom-ref on
/// everything; hashes become artifacts.
#[test]
fn guac_finds_a_container_with_purl_and_a_reference_everywhere() {
    let mut hashed = Package::new(Ecosystem::Maven, "org.acme:core", "1.0", "app/core.jar");
    hashed.hashes = vec![
        ("SHA-1".to_owned(), "A".repeat(40)),
        ("SHA-256".to_owned(), "too short".to_owned()),
        ("CRC32".to_owned(), "00000000".to_owned()),
    ];
    let document = document_of("debian", "12", vec![hashed]);
    let root = &document["metadata"]["component"];
    assert_eq!(root["type"], "container");
    assert!(root["purl"].as_str().unwrap().starts_with("pkg:oci/shop@sha256%3A"));
    assert!(root["bom-ref"].is_string());
    assert!(document["components"].as_array().unwrap().iter().all(|c| c["bom-ref"].is_string()));
    // What is no checksum of its algorithm would make the whole document invalid.
    assert_eq!(named(&document, "core")["hashes"], serde_json::json!([{"alg": "SHA-1", "content": "a".repeat(40)}]));
}

/// NTIA's minimum elements and BSI TR-03183-2: supplier, name, version, identifier, relationships, author of the data,
/// time, when in the life cycle, and how complete.
#[test]
fn the_minimum_elements_are_there() {
    let mut odd = inventory();
    let document = json(&write(&odd, 1));
    assert_eq!(document["metadata"]["timestamp"], "1970-01-01T00:00:01Z");
    assert_eq!(document["metadata"]["tools"]["components"][0]["name"], "countersign");
    assert_eq!(document["metadata"]["lifecycles"][0]["phase"], "post-build");
    let ssl = named(&document, "libssl3");
    assert!(ssl["supplier"]["name"].is_string() && ssl["version"].is_string() && ssl["purl"].is_string());
    assert_eq!(document["compositions"][0]["aggregate"], "complete");
    assert_eq!(document["compositions"][0]["assemblies"][0], document["metadata"]["component"]["bom-ref"]);
    odd.anomalies.push(Anomaly {
        code: AnomalyCode::LimitExceeded,
        path: String::new(),
        layer: None,
        detail: String::new(),
    });
    assert_eq!(json(&write(&odd, 1))["compositions"][0]["aggregate"], "incomplete");
}

#[test]
fn version_1_6_says_that_licences_are_declared() {
    let mut all = inventory();
    all.packages[0].licences = vec!["MIT".to_owned()];
    let raised = with_spec_version(&write(&all, 1), SpecVersion::V1_6).unwrap();
    let document = json(&raised);
    let declared = Value::from("declared");
    assert_eq!(named(&document, "y")["licenses"][0]["acknowledgement"], declared, "of an expression");
    assert_eq!(document["components"][1]["licenses"][0]["license"]["acknowledgement"], declared, "of an identifier");
    assert!(!String::from_utf8(write(&all, 1)).unwrap().contains("acknowledgement"), "1.5 has no word for it");
}

#[test]
fn third_party_packages_are_marked_without_changing_what_others_read() {
    let mut all = inventory();
    let plain = json(&write(&all, 1));
    let position = all.packages.iter().position(|p| p.name == "libssl3").unwrap();
    all.packages[position].third_party = true;
    let marked = json(&write(&all, 1));
    assert_eq!(named(&plain, "libssl3")["purl"], named(&marked, "libssl3")["purl"]);
    let properties = named(&marked, "libssl3")["properties"].as_array().unwrap();
    assert!(properties.iter().any(|p| p["name"] == THIRD_PARTY_PROPERTY && p["value"] == "true"));
}

#[test]
fn a_serial_from_the_content_follows_from_the_content() {
    let (one, other) = (content_serial(&write(&inventory(), 1)), content_serial(&write(&inventory(), 2)));
    assert_eq!(one, content_serial(&write(&inventory(), 1)));
    assert_ne!(one, other);
    assert_eq!(one.get_version_num(), 8);
}
