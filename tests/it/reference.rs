//! docs/reference/ says what the program does: generated pages are current, and real output fits the schemas.

mod schema;

use std::fs;
use std::path::{Path, PathBuf};

use countersign::cli::reference::pages;
use countersign::policy::ReasonCode;
use countersign_sandbox::image::samples::Sample;
use countersign_sandbox::image::write_layout;

use crate::bad_input::{Bed, NOWHERE, Run};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference")
}

fn page(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_default()
}

#[test]
fn generated_pages_are_current() {
    let update = std::env::var_os("UPDATE_REFERENCE").is_some();
    for (name, text) in pages() {
        if update {
            fs::write(folder().join(name), &text).unwrap();
        }
        assert!(page(name) == text, "docs/reference/{name} is old: UPDATE_REFERENCE=1 cargo test --test it reference");
    }
}

#[test]
fn every_reason_code_has_a_line_that_says_when_it_is_given() {
    let text = page("reason-codes.md");
    for code in ReasonCode::ALL {
        assert!(text.contains(&format!("| `{code}` | {}", code.when())), "{code}");
        assert!(code.when().ends_with('.'), "{code}: {}", code.when());
    }
}

#[test]
fn every_configuration_key_says_what_it_is() {
    let rows: Vec<String> =
        page("configuration.md").lines().filter(|l| l.starts_with("| `")).map(str::to_owned).collect();
    assert!(rows.len() > 50, "{} keys", rows.len());
    for row in rows {
        assert!(!row.ends_with("|  |"), "no meaning: {row}");
    }
}

#[track_caller]
fn fits(run: &Run, kind: &str) {
    let document = run.document();
    let items = document["items"].as_array().cloned();
    let expected = if items.is_some() { format!("{kind}List") } else { kind.to_owned() };
    assert_eq!(document["kind"], expected.as_str(), "{run}");
    let schema = serde_json::from_str(&page(&format!("schemas/{}.json", kind.to_lowercase()))).unwrap();
    for item in items.unwrap_or(vec![document]) {
        let wrong = schema::differences(&schema, &item);
        assert!(wrong.is_empty(), "{wrong:#?}\n{run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_commands_print_fits_the_schemas() {
    let bed = Bed::start().await;
    let (good, bad) = (bed.build("1"), bed.push("acme/app", &Sample::vulnerable().debian().unwrap()));
    let nowhere = format!("{}@{NOWHERE}", bed.repository("acme/app"));
    fits(&bed.promote(&bad, &[]).await, "Promotion");
    fits(&bed.promote(&nowhere, &[]).await, "Promotion");
    let promoted = bed.promote(&good, &[]).await;
    assert_eq!(promoted.code, 0, "{promoted}");
    fits(&promoted, "Promotion");
    fits(&bed.promote(&good, &[]).await, "Promotion");
    fits(&bed.json(&["verify", &good]).await, "Verification");
    fits(&bed.json(&["verify", &bad, &nowhere]).await, "Verification");
    let tag = format!("{}:1.2", bed.repository("acme/app"));
    fits(&bed.json(&["resolve", &tag]).await, "Resolution");
    fits(&bed.json(&["resolve", &tag, &format!("{}:none", bed.repository("acme/app"))]).await, "Resolution");
    let loose = ["--issuer", "https://issuer.example", "--identity-regexp", ".*@example.com"];
    fits(&bed.json(&[&["verify", &good], &loose[..]].concat()).await, "Verification");
    fits(&bed.json(&[&["policy", "lint", &good], &loose[..]].concat()).await, "Lint");
    fits(&bed.json(&["policy", "lint", &nowhere]).await, "Lint");
    let mirror = bed.repository("acme/mirror");
    fits(&bed.json(&["copy", &good, &mirror]).await, "Copy");
    fits(&bed.json(&["copy", &nowhere, &mirror]).await, "Copy");
    std::fs::write(bed.path("pins.txt"), format!("{tag}\n")).unwrap();
    fits(&bed.json(&["resolve", &tag, "--check", "pins.txt"]).await, "Resolution");
    fits(&bed.json(&["resolve", &tag, "--write", "pins.txt"]).await, "Resolution");
    fits(&bed.json(&["history", &tag]).await, "History");
    fits(&bed.json(&["history", &format!("{}:none", bed.repository("acme/app"))]).await, "History");
    fits(&bed.json(&["audit", &bed.repository("acme/app")]).await, "Audit");
    fits(&bed.json(&["audit", &bed.repository("acme/none")]).await, "Audit");
    fits(&bed.json(&["retain", &bed.repository("acme/app"), "--keep-last", "0"]).await, "Retention");
    fits(&bed.json(&["retain", &bed.repository("acme/none")]).await, "Retention");
    fits(&bed.json(&["rollback", &tag]).await, "Rollback");
    let version = promoted.document()["version"].as_str().unwrap().to_owned();
    fits(&bed.json(&["rollback", &tag, "--to", &version]).await, "Rollback");
    let withdraw = ["withdraw", &bed.repository("acme/app"), "--reason", "x", "--version"];
    fits(&bed.json(&[&withdraw[..], &["8.8.8"]].concat()).await, "Withdrawal");
    fits(&bed.json(&[&withdraw[..], &[&version, "--plan"]].concat()).await, "Withdrawal");
    fits(&bed.json(&[&withdraw[..], &[&version]].concat()).await, "Withdrawal");
    fits(&bed.json(&["scan", &bad]).await, "Scan");
    fits(&bed.json(&["scan", &nowhere]).await, "Scan");
    write_layout(&bed.path("layout"), &[("sample", &Sample::fixed().alpine().unwrap())]).unwrap();
    fits(&bed.json(&["push", "layout", &bed.repository("acme/copy")]).await, "Push");
    fits(&bed.json(&["push", "none", &bed.repository("acme/copy")]).await, "Push");
    fits(&bed.json(&["push", "--index", &nowhere, &bed.repository("acme/app")]).await, "Push");
    fits(&bed.json(&["verify"]).await, "Error");
}
