//! The vulnerability database: `CACHE/db/{trivy.db,metadata.json}`, schema 2.
//!
//! Its age is reported, not judged. It is never written: updating is `trivy`'s own job, outside of a gate's run.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use jiff::Timestamp;
use serde::Deserialize;

use crate::evidence::scan::DatabaseIdentity;
use crate::scanner::ScanError;
use crate::scanner::pinned::Pinned;

/// The one schema that Trivy since 0.23 reads and that the bucket names in our canaries belong to.
const SCHEMA: u32 = 2;

/// The file holds four short fields.
const MAX_METADATA_BYTES: u64 = 64 << 10;

/// A database folder; remembers the digest as long as the file stays the same.
#[derive(Debug)]
pub(crate) struct Database {
    folder: PathBuf,
    known: Mutex<Option<Pinned>>,
}

/// One state of the database, as a scan uses it.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) identity: DatabaseIdentity,
    pub(crate) file: Pinned,
    /// Exact bytes of `metadata.json`.
    pub(crate) metadata: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    version: u32,
    updated_at: Timestamp,
}

impl Database {
    /// `cache` is a Trivy cache folder, the one that holds `db/`.
    pub(crate) fn new(cache: &Path) -> Self {
        Self { folder: cache.join("db"), known: Mutex::new(None) }
    }

    /// Reads the metadata and hashes the database, unless that same file was hashed before. Blocks.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, ScanError> {
        let metadata_path = self.folder.join("metadata.json");
        let metadata = read_capped(&metadata_path)?;
        let malformed = |why: String| ScanError::DatabaseMalformed { path: metadata_path.clone(), why };
        let parsed: Metadata = serde_json::from_slice(&metadata).map_err(|error| malformed(error.to_string()))?;
        if parsed.version != SCHEMA {
            return Err(malformed(format!("schema version {SCHEMA} expected, found {}", parsed.version)));
        }
        let file = self.pinned()?;
        let identity =
            DatabaseIdentity { version: parsed.version, updated_at: parsed.updated_at, digest: file.digest.clone() };
        Ok(Snapshot { identity, file, metadata })
    }

    fn pinned(&self) -> Result<Pinned, ScanError> {
        // Held while hashing: several platforms start at once, and one of them is enough to read the file.
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(pinned) = known.as_ref().filter(|pinned| pinned.is_current()) {
            return Ok(pinned.clone());
        }
        let path = self.folder.join("trivy.db");
        let pinned = Pinned::hash(&path).map_err(|error| unreadable(&path, &error))?;
        *known = Some(pinned.clone());
        Ok(pinned)
    }
}

fn read_capped(path: &Path) -> Result<Vec<u8>, ScanError> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut bytes = Vec::new();
    file.take(MAX_METADATA_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > MAX_METADATA_BYTES {
        let why = format!("longer than {MAX_METADATA_BYTES} bytes");
        return Err(ScanError::DatabaseMalformed { path: path.to_owned(), why });
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &std::io::Error) -> ScanError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => ScanError::DatabaseMissing { path: path.to_owned() },
        _ => ScanError::DatabaseMalformed { path: path.to_owned(), why: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(metadata: Option<&str>, database: Option<&[u8]>) -> tempfile::TempDir {
        let cache = tempfile::tempdir().unwrap();
        std::fs::create_dir(cache.path().join("db")).unwrap();
        if let Some(text) = metadata {
            std::fs::write(cache.path().join("db/metadata.json"), text).unwrap();
        }
        if let Some(bytes) = database {
            std::fs::write(cache.path().join("db/trivy.db"), bytes).unwrap();
        }
        cache
    }

    const GOOD: &str = r#"{"Version":2,"NextUpdate":"2099-01-01T00:00:00Z","UpdatedAt":"2026-11-21T00:00:00Z"}"#;

    #[test]
    fn a_database_is_its_schema_its_date_and_its_digest() {
        let cache = folder(Some(GOOD), Some(b"bolt"));
        let snapshot = Database::new(cache.path()).snapshot().unwrap();
        assert_eq!(snapshot.identity.version, 2);
        assert_eq!(snapshot.identity.updated_at, "2026-11-21T00:00:00Z".parse().unwrap());
        assert!(snapshot.identity.digest.matches(b"bolt"));
    }

    #[test]
    fn a_database_replaced_between_two_scans_is_hashed_again() {
        let cache = folder(Some(GOOD), Some(b"bolt"));
        let database = Database::new(cache.path());
        database.snapshot().unwrap();
        std::fs::write(cache.path().join("new"), b"newer").unwrap();
        std::fs::rename(cache.path().join("new"), cache.path().join("db/trivy.db")).unwrap();
        assert!(database.snapshot().unwrap().identity.digest.matches(b"newer"));
    }

    #[test]
    fn missing_and_malformed_databases_are_told_apart() {
        let missing = |cache: tempfile::TempDir| {
            matches!(Database::new(cache.path()).snapshot(), Err(ScanError::DatabaseMissing { .. }))
        };
        assert!(missing(tempfile::tempdir().unwrap()));
        assert!(missing(folder(None, Some(b"bolt"))));
        assert!(missing(folder(Some(GOOD), None)));
        let long = " ".repeat(70_000);
        let no_date = r#"{"Version":2}"#;
        let other_schema = r#"{"Version":1,"UpdatedAt":"2026-11-21T00:00:00Z"}"#;
        for bad in ["", "{}", "null", no_date, other_schema, &long] {
            let cache = folder(Some(bad), Some(b"bolt"));
            let outcome = Database::new(cache.path()).snapshot();
            assert!(matches!(outcome, Err(ScanError::DatabaseMalformed { .. })), "{bad:.40}");
        }
    }
}
