//! A small vulnerability database that the real Trivy reads: `DIR/db/{trivy.db,metadata.json}`, schema 2.
//!
//! `trivy.db` is a bbolt file (feature `compat`: the original magic number). Buckets: `SOURCE / package / id` with the
//! advisory, `vulnerability / id` with title and severity (Trivy does not survive its absence), `data-source / SOURCE`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use bbolt_rs::{Bolt, BucketRwApi as _, DbRwAPI as _, TxRwRefApi as _};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

/// The project's own advisories; testdata/trivy-db/ORIGIN.md says where they are from.
pub const ADVISORIES: &str = include_str!("../../testdata/trivy-db/advisories.json");

/// A database without any advisory. Trivy accepts it and reports every image as clean.
pub const EMPTY: &str = r#"{ "sources": {}, "vulnerabilities": {} }"#;

#[derive(Deserialize)]
struct Advisories {
    sources: BTreeMap<String, Source>,
    vulnerabilities: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Source {
    /// Null for Red Hat's table of repositories and CPEs, which is no source of advisories.
    source: Value,
    packages: BTreeMap<String, BTreeMap<String, Value>>,
}

/// Writes the database of `advisories` (see [`ADVISORIES`] for the shape) into the Trivy cache folder `dir`, as if it had
/// been published at `updated_at`. An older one there is replaced.
pub fn write(dir: &Path, advisories: &str, updated_at: Timestamp) -> anyhow::Result<()> {
    let advisories: Advisories = serde_json::from_str(advisories).context("advisories")?;
    let folder = dir.join("db");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let fresh = folder.join("trivy.db.new");
    if fresh.exists() {
        fs::remove_file(&fresh)?;
    }
    fill(&fresh, &advisories).context("trivy.db")?;
    fs::rename(&fresh, folder.join("trivy.db"))?;
    let metadata = serde_json::json!({
        "Version": 2,
        "NextUpdate": updated_at.checked_add(SignedDuration::from_hours(24))?,
        "UpdatedAt": updated_at,
        "DownloadedAt": updated_at,
    });
    fs::write(folder.join("metadata.json"), metadata.to_string()).context("metadata.json")
}

fn fill(path: &Path, advisories: &Advisories) -> bbolt_rs::Result<()> {
    let mut database = Bolt::open(path)?;
    database.update(|mut tx| {
        let mut sources = tx.create_bucket("data-source")?;
        for (name, source) in advisories.sources.iter().filter(|(_, source)| !source.source.is_null()) {
            sources.put(name, source.source.to_string())?;
        }
        let mut vulnerabilities = tx.create_bucket("vulnerability")?;
        for (id, vulnerability) in &advisories.vulnerabilities {
            vulnerabilities.put(id, vulnerability.to_string())?;
        }
        for (name, source) in &advisories.sources {
            let mut bucket = tx.create_bucket(name)?;
            for (package, advisories) in &source.packages {
                let mut package = bucket.create_bucket(package)?;
                for (id, advisory) in advisories {
                    package.put(id, advisory.to_string())?;
                }
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_advisory_has_its_details() {
        let advisories: Advisories = serde_json::from_str(ADVISORIES).unwrap();
        let ids = advisories.sources.values().flat_map(|source| source.packages.values()).flat_map(BTreeMap::keys);
        for id in ids {
            assert!(advisories.vulnerabilities.contains_key(id), "{id}");
        }
    }

    #[test]
    fn the_database_has_the_original_magic_number_and_a_date() {
        let dir = tempfile::tempdir().unwrap();
        let updated_at: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        write(dir.path(), EMPTY, updated_at).unwrap();
        write(dir.path(), ADVISORIES, updated_at).unwrap();
        let bytes = fs::read(dir.path().join("db/trivy.db")).unwrap();
        assert_eq!(bytes[16..20], 0xED0C_DAED_u32.to_le_bytes());
        let metadata: Value = serde_json::from_slice(&fs::read(dir.path().join("db/metadata.json")).unwrap()).unwrap();
        assert_eq!(metadata["UpdatedAt"], "2026-11-20T12:00:00Z");
        assert_eq!(metadata["Version"], 2);
    }
}
