//! The private folder of one scan; gone when dropped.
//!
//! ```text
//! sbom.json           the document
//! cache/db/           metadata.json, and trivy.db: a link the launcher makes to the database it opened
//! home/ tmp/ empty/   HOME, TMPDIR and the working folder: no configuration, no .trivyignore
//! ```

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::scanner::ScanError;

/// Paths inside the folder, shared with the launcher.
pub(crate) const SBOM: &str = "sbom.json";
pub(crate) const CACHE: &str = "cache";
pub(crate) const DATABASE_LINK: &str = "cache/db/trivy.db";
pub(crate) const HOME: &str = "home";
pub(crate) const TMP: &str = "tmp";
pub(crate) const EMPTY: &str = "empty";
const METADATA: &str = "cache/db/metadata.json";

#[derive(Debug)]
pub(crate) struct Workspace {
    folder: TempDir,
    /// Without symbolic links, as the kernel's path rules see it.
    path: PathBuf,
}

impl Workspace {
    /// An empty workspace, readable by this user only.
    pub(crate) fn create() -> Result<Self, ScanError> {
        let folder = tempfile::Builder::new()
            .prefix("countersign-scan-")
            .tempdir()
            .map_err(|source| failed(&std::env::temp_dir(), source))?;
        let path = folder.path().canonicalize().map_err(|source| failed(folder.path(), source))?;
        for name in [HOME, TMP, EMPTY, "cache/db"] {
            let path = path.join(name);
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(|source| failed(&path, source))?;
        }
        Ok(Self { folder, path })
    }

    /// Puts the document and the database's metadata in place.
    pub(crate) fn fill(&self, sbom: &[u8], metadata: &[u8]) -> Result<(), ScanError> {
        for (name, bytes) in [(SBOM, sbom), (METADATA, metadata)] {
            let path = self.path.join(name);
            std::fs::write(&path, bytes).map_err(|source| failed(&path, source))?;
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder; dropping does the same without telling.
    pub(crate) fn close(self) -> Result<(), ScanError> {
        let Self { folder, path } = self;
        folder.close().map_err(|source| failed(&path, source))
    }
}

fn failed(path: &Path, source: io::Error) -> ScanError {
    ScanError::Workspace { path: path.to_owned(), source }
}
