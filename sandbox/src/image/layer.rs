//! Layers: a tar archive made from a list of entries, and its compressed form. The same entries give the same bytes.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use crate::registry::sha256;

/// 2026-01-01, so that rebuilding gives the same digests.
const MODIFIED: u64 = 1_767_225_600;

/// How a layer is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// `…layer.v1.tar+gzip`
    Gzip,
    /// `…layer.v1.tar`
    Plain,
    /// `…layer.v1.tar+zstd`
    Zstd,
}

/// Entries of a layer that is being built.
#[derive(Debug, Clone, Default)]
pub struct LayerBuilder {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    path: String,
    kind: EntryType,
    mode: u32,
    content: Vec<u8>,
    link: Option<String>,
}

/// A finished layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// As stored in the registry.
    pub bytes: Vec<u8>,
    /// Digest of the stored bytes.
    pub digest: String,
    /// Digest of the uncompressed archive.
    pub diff_id: String,
    /// Media type of the stored bytes.
    pub media_type: String,
}

impl LayerBuilder {
    /// A regular file, readable by all.
    #[must_use]
    pub fn file(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.file_with_mode(path, content, 0o644)
    }

    /// A regular file with this mode.
    #[must_use]
    pub fn file_with_mode(self, path: &str, content: impl Into<Vec<u8>>, mode: u32) -> Self {
        self.entry(path, EntryType::Regular, mode, content.into(), None)
    }

    /// A file of this size that does not compress, the same for the same seed: for large images.
    #[must_use]
    pub fn noise(self, path: &str, size: usize, seed: u64) -> Self {
        let mut state = seed | 1;
        let mut content = Vec::with_capacity(size + 8);
        while content.len() < size {
            // xorshift64: fast, and random enough that gzip gains nothing.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            content.extend_from_slice(&state.to_le_bytes());
        }
        content.truncate(size);
        self.file(path, content)
    }

    /// A directory.
    #[must_use]
    pub fn directory(self, path: &str) -> Self {
        self.entry(path, EntryType::Directory, 0o755, Vec::new(), None)
    }

    /// A symbolic link to any target.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(path, EntryType::Symlink, 0o777, Vec::new(), Some(target.to_owned()))
    }

    /// A hard link to a path of the image.
    #[must_use]
    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(path, EntryType::Link, 0o644, Vec::new(), Some(target.to_owned()))
    }

    /// Removes a path of the layers below: an empty file `.wh.NAME`.
    #[must_use]
    pub fn whiteout(self, path: &str) -> Self {
        let (folder, name) = path.rsplit_once('/').map_or(("", path), |(f, n)| (f, n));
        let slash = if folder.is_empty() { "" } else { "/" };
        self.file(&format!("{folder}{slash}.wh.{name}"), Vec::new())
    }

    /// Removes everything below a folder of the layers below: `.wh..wh..opq`.
    #[must_use]
    pub fn opaque(self, folder: &str) -> Self {
        self.file(&format!("{folder}/.wh..wh..opq"), Vec::new())
    }

    /// The archive, compressed.
    ///
    /// # Errors
    /// When a path or a link is not allowed in a tar archive.
    pub fn build(self, packing: Packing) -> Result<Layer> {
        let mut archive = Builder::new(Vec::new());
        for entry in &self.entries {
            entry.append(&mut archive).with_context(|| format!("add {} to a layer", entry.path))?;
        }
        Layer::of_archive(&archive.into_inner()?, packing)
    }

    fn entry(mut self, path: &str, kind: EntryType, mode: u32, content: Vec<u8>, link: Option<String>) -> Self {
        self.entries.push(Entry { path: path.trim_start_matches('/').to_owned(), kind, mode, content, link });
        self
    }
}

impl Layer {
    /// A layer of any archive, well-formed or not.
    ///
    /// # Errors
    /// When compression fails.
    pub fn of_archive(archive: &[u8], packing: Packing) -> Result<Self> {
        let diff_id = sha256(archive);
        let (bytes, suffix) = match packing {
            Packing::Plain => (archive.to_vec(), ""),
            Packing::Zstd => (zstd::encode_all(archive, 3)?, "+zstd"),
            Packing::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(archive)?;
                (encoder.finish()?, "+gzip")
            }
        };
        let media_type = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
        Ok(Self { digest: sha256(&bytes), bytes, diff_id, media_type })
    }
}

impl Entry {
    fn append(&self, archive: &mut Builder<Vec<u8>>) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(self.kind);
        header.set_mode(self.mode);
        header.set_mtime(MODIFIED);
        header.set_uid(0);
        header.set_gid(0);
        match &self.link {
            Some(target) => {
                header.set_size(0);
                archive.append_link(&mut header, &self.path, target)?;
            }
            None => {
                header.set_size(self.content.len() as u64);
                archive.append_data(&mut header, &self.path, self.content.as_slice())?;
            }
        }
        Ok(())
    }
}
