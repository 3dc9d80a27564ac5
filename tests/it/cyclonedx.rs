//! The `sbom` command: the same bytes for the same image, and documents that fit CycloneDX's own schemas.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use countersign_sandbox::image::samples::Sample;
use countersign_sandbox::image::{Content, ImageBuilder, LayerBuilder, write_layout};
use serde_json::Value;

/// The program with an empty environment but for `environment`.
#[expect(clippy::disallowed_methods, reason = "runs the program under test")]
fn countersign(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments).env_clear().envs(environment.iter().copied()).output().unwrap()
}

fn layout(content: &dyn Content) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_layout(folder.path(), &[("sample", content)]).unwrap();
    folder
}

fn sbom(folder: &Path, more: &[&str], environment: &[(&str, &str)]) -> Vec<u8> {
    let folder = folder.to_str().unwrap();
    let output = countersign(&[&["sbom", folder, "--platform", "linux/amd64"], more].concat(), environment);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn field(document: &[u8], pointer: &str) -> String {
    let value: Value = serde_json::from_slice(document).unwrap();
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[test]
fn time_and_serial_can_be_set_and_nothing_else_differs() {
    let folder = layout(&Sample::fixed().debian().unwrap());
    let at = |more: &[&str], environment: &[(&str, &str)]| sbom(folder.path(), more, environment);
    let serial = "7d444840-9dc0-11d1-b245-5ffdce74fad2";
    let (a, b) = (at(&[], &[]), at(&[], &[]));
    assert_ne!(field(&a, "/serialNumber"), field(&b, "/serialNumber"));
    assert!(countersign::sbom::equivalent(&a, &b).unwrap());

    let pinned = ["--timestamp", "2026-01-02T03:04:05Z", "--serial", serial];
    let (a, b) = (at(&pinned, &[]), at(&pinned, &[]));
    assert_eq!(a, b);
    assert_eq!(field(&a, "/metadata/timestamp"), "2026-01-02T03:04:05Z");
    assert_eq!(field(&a, "/serialNumber"), format!("urn:uuid:{serial}"));

    // One variable of reproducible builds is enough: the serial then follows from the content.
    let epoch = [("SOURCE_DATE_EPOCH", "1700000000")];
    let (a, b) = (at(&[], &epoch), at(&[], &epoch));
    assert_eq!(a, b);
    assert_eq!(field(&a, "/metadata/timestamp"), "2023-11-14T22:13:20Z");
    assert_ne!(field(&a, "/serialNumber"), field(&at(&[], &[("SOURCE_DATE_EPOCH", "1")]), "/serialNumber"));
    let flag_wins = at(&["--timestamp", "2026-01-02T03:04:05Z"], &epoch);
    assert_eq!(field(&flag_wins, "/metadata/timestamp"), "2026-01-02T03:04:05Z");
}

#[test]
fn a_time_or_serial_that_is_none_is_refused() {
    let folder = layout(&Sample::fixed().debian().unwrap());
    let path = folder.path().to_str().unwrap();
    for (arguments, environment) in [
        (vec!["--timestamp", "yesterday"], vec![]),
        (vec!["--serial", "1"], vec![]),
        (vec!["--platform", "linux/amd64"], vec![("SOURCE_DATE_EPOCH", "now")]),
    ] {
        let output = countersign(&[vec!["sbom", path], arguments.clone()].concat(), &environment);
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {environment:?}");
    }
}

/// `scripts/install-cyclonedx.sh` puts schemas and validator there.
fn validator() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/cyclonedx/validate.py");
    path.is_file().then_some(path)
}

/// Odd licences, checksums, names and anomalies: all that could make a document invalid.
fn odd() -> impl Content {
    let licences = ["MIT", "MIT OR Apache-2.0", "LicenseRef-x", "Some Licence", "a\\tb", "GPL-2.0", ""];
    let mut layer = LayerBuilder::default()
        .file("etc/os-release", "ID=alpine\nVERSION_ID=3.20.1\nPRETTY_NAME=\"Alpine\\tv3\"\n")
        .file(
            "lib/apk/db/installed",
            "P:musl++\nV:1.2.4-r2\nA:x86_64\no:musl+x\nL:MIT AND BSD-2-Clause\nm:T <t@x.org>\n\nP:x\n",
        )
        .file("srv/node_modules/broken/package.json", "{");
    for (number, licence) in licences.iter().enumerate() {
        let text =
            format!(r#"{{"name":"@s/n{number}","version":"1.0.{number}","license":"{licence}","licenses":["MIT"]}}"#);
        layer = layer.file(&format!("app/node_modules/@s/n{number}/package.json"), text);
    }
    ImageBuilder::new("amd64").layer(layer).unwrap().label("a b", "c\nd").build()
}

/// One package per licence identifier there is.
fn licensed() -> impl Content {
    let layer = spdx::identifiers::LICENSES.iter().enumerate().fold(LayerBuilder::default(), |layer, (n, id)| {
        let text = format!(r#"{{"name":"n{n}","version":"1","license":"{}"}}"#, id.name);
        layer.file(&format!("app/node_modules/n{n}/package.json"), text)
    });
    ImageBuilder::new("amd64").layer(layer).unwrap().build()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "runs the schema validator")]
fn documents_fit_the_official_schemas() {
    let Some(validator) = validator() else {
        eprintln!("SKIPPED documents_fit_the_official_schemas: no .tools/cyclonedx (run scripts/install-cyclonedx.sh)");
        return;
    };
    let files = tempfile::tempdir().unwrap();
    let (odd, licensed) = (odd(), licensed());
    let (debian, alpine) = (Sample::fixed().debian().unwrap(), Sample::vulnerable().alpine().unwrap());
    let mut written = Vec::new();
    for (name, content) in
        [("debian", &debian as &dyn Content), ("alpine", &alpine), ("odd", &odd), ("licensed", &licensed)]
    {
        let folder = layout(content);
        for version in ["1.5", "1.6"] {
            let path = files.path().join(format!("{name}-{version}.json"));
            fs::write(&path, sbom(folder.path(), &["--spec-version", version], &[])).unwrap();
            written.push(path);
        }
    }
    let output = Command::new("python3").arg(&validator).args(&written).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    eprintln!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches(", 0 errors").count(), written.len(), "{said}");

    // The check can fail: a document with a mixture of licences does not fit.
    let mut broken: Value = serde_json::from_slice(&fs::read(&written[0]).unwrap()).unwrap();
    broken["components"][0]["licenses"] = serde_json::json!([{"expression": "MIT"}, {"license": {"name": "x"}}]);
    let path = files.path().join("broken.json");
    fs::write(&path, broken.to_string()).unwrap();
    assert!(!Command::new("python3").arg(&validator).arg(&path).output().unwrap().status.success());
}

mod foreign {
    //! `scan` of documents that other tools made: what they lack is said, and what is no CycloneDX is refused.

    use std::fs;

    use serde_json::{Value, json};

    use crate::support::Gateway;

    /// As these tools shape their documents: which properties and components each leaves out.
    fn document(tool: &str, version: &str, os: bool, properties: &[(&str, &str)]) -> Value {
        let properties: Vec<Value> = properties.iter().map(|(n, v)| json!({ "name": n, "value": v })).collect();
        let mut components = vec![json!({
            "type": "library", "bom-ref": "p", "name": "made-up", "version": "1:1.0-1",
            "purl": "pkg:deb/debian/made-up@1.0-1?arch=amd64&distro=debian-12&epoch=1&upstream=source",
            "properties": properties,
        })];
        if os {
            components.push(json!({ "type": "operating-system", "bom-ref": "o", "name": "debian", "version": "12" }));
        }
        let tools = json!([{ "name": tool, "version": "1" }]);
        json!({ "bomFormat": "CycloneDX", "specVersion": version, "metadata": { "tools": tools }, "components": components })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_foreign_document_lacks_is_said_and_denied() {
        let bed = Gateway::start().await;
        let syft = document("syft", "1.6", true, &[("syft:location:0:layerID", "sha256:1")]);
        let cdxgen = document("cdxgen", "1.5", false, &[("SrcFile", "x")]);
        let layer = ("aquasecurity:trivy:LayerDiffID", "sha256:1");
        let trivy = document("trivy", "1.6", true, &[("aquasecurity:trivy:SrcName", "source"), layer]);
        let old = document("trivy", "1.4", true, &[("aquasecurity:trivy:SrcName", "source")]);
        for (name, document, codes, notes) in [
            ("syft", syft, &["source-unknown"][..], 0),
            ("cdxgen", cdxgen, &["os-unknown", "source-unknown"], 1),
            ("trivy", trivy, &[], 0),
            ("old", old, &[], 1),
        ] {
            fs::write(bed.path("foreign.json"), document.to_string()).unwrap();
            let run = bed.run(&["scan", "foreign.json"]).await;
            let json = run.json();
            let anomalies = json["completeness"]["anomalies"].as_array().unwrap();
            let found: Vec<&str> = anomalies.iter().map(|a| a["code"].as_str().unwrap()).collect();
            assert_eq!((found.as_slice(), json["notes"].as_array().unwrap().len()), (codes, notes), "{name}: {run}");
            assert_eq!(json["completeness"]["complete"], codes.is_empty(), "{name}");
            assert_eq!(run.code, if codes.is_empty() { 0 } else { 3 }, "{name}: {run}");
            let text = bed.run(&["scan", "foreign.json", "--output", "text"]).await.stdout;
            assert!(codes.iter().all(|code| text.contains(&format!("incomplete {code}: "))), "{name}: {text}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_incomplete_document_of_ours_stays_incomplete() {
        let bed = Gateway::start().await;
        let mut document = document("countersign", "1.5", true, &[("aquasecurity:trivy:SrcName", "source")]);
        let anomaly = json!({ "name": "countersign:anomaly", "value": "limit-exceeded var/lib/x: too large" });
        document["metadata"]["component"] = json!({ "type": "container", "name": "x", "properties": [anomaly] });
        document["compositions"] = json!([{ "aggregate": "incomplete", "assemblies": [] }]);
        fs::write(bed.path("ours.json"), document.to_string()).unwrap();
        let run = bed.run(&["scan", "ours.json"]).await.exits(3).because("sbom-incomplete");
        assert_eq!(run.json()["completeness"]["anomalies"][0]["code"], "limit-exceeded");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_no_readable_cyclonedx_is_refused_with_a_code() {
        let bed = Gateway::start().await;
        let mut old = document("syft", "1.3", true, &[]);
        old["components"] = json!([]);
        for (text, code) in [
            (r#"{"spdxVersion":"SPDX-2.3","packages":[]}"#.to_owned(), "sbom-format"),
            ("SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n".to_owned(), "sbom-format"),
            ("<?xml version=\"1.0\"?><bom/>".to_owned(), "sbom-format"),
            (old.to_string(), "sbom-version"),
            (r#"{"some":"json"}"#.to_owned(), "sbom"),
        ] {
            fs::write(bed.path("foreign"), &text).unwrap();
            bed.run(&["scan", "foreign"]).await.exits(2).because(code);
        }
    }
}
