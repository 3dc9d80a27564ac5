//! A file that was hashed once and must not change afterwards.
//!
//! Hashing 170 MB for every platform would cost more than the scan itself. So the file is hashed from an open descriptor
//! and its identity (device, inode, size, modification and change time) is remembered; whoever opens it later compares
//! the identity of *its* descriptor. The change time cannot be set by a user: a file replaced or rewritten in between
//! shows. What this does not stop is a process of the same user racing with the clock tick, and that one could trace us.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::oci::Digest;
use crate::oci::digest::{Algorithm, Hasher};

/// Read size while hashing.
const CHUNK: usize = 1 << 20;

/// What the kernel says about an inode's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileIdentity {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Where a hashed file is, and how to recognise it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pinned {
    pub(crate) path: PathBuf,
    pub(crate) identity: FileIdentity,
    pub(crate) digest: Digest,
}

impl Pinned {
    /// Hashes the regular file at `path`. Blocks.
    pub(crate) fn hash(path: &Path) -> io::Result<Self> {
        let mut file = open_regular(path)?;
        let identity = FileIdentity::of(&file.metadata()?);
        let digest = digest_of(&mut file)?;
        if FileIdentity::of(&file.metadata()?) != identity {
            return Err(io::Error::other("changed while it was hashed"));
        }
        Ok(Self { path: path.to_owned(), identity, digest })
    }

    /// Opens the file again; `None` when it is no longer the one that was hashed.
    pub(crate) fn open(&self) -> io::Result<Option<File>> {
        let file = open_regular(&self.path)?;
        let same = FileIdentity::of(&file.metadata()?) == self.identity;
        Ok(same.then_some(file))
    }

    /// Is the file at the path still the one that was hashed?
    pub(crate) fn is_current(&self) -> bool {
        matches!(self.open(), Ok(Some(_)))
    }
}

fn open_regular(path: &Path) -> io::Result<File> {
    // Looked at before opening: opening a pipe would block.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    File::open(path)
}

fn digest_of(file: &mut File) -> io::Result<Digest> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&chunk[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_rewritten_in_place_or_replaced_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scanner");
        std::fs::write(&path, b"good").unwrap();
        let pinned = Pinned::hash(&path).unwrap();
        assert!(pinned.digest.matches(b"good") && pinned.is_current());

        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::write(&path, b"evil").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert!(!pinned.is_current(), "same size and modification time, but the change time gives it away");

        std::fs::write(&path, b"good").unwrap();
        let pinned = Pinned::hash(&path).unwrap();
        std::fs::write(folder.path().join("other"), b"evil").unwrap();
        std::fs::rename(folder.path().join("other"), &path).unwrap();
        assert!(!pinned.is_current());
    }

    #[test]
    fn only_regular_files_are_opened() {
        assert!(Pinned::hash(Path::new("/dev/null")).is_err());
        assert!(Pinned::hash(Path::new("/")).is_err());
    }
}
