//! Layers that were read before, on disk, by their verified digest.
//!
//! An entry is made only after blob digest and `diff_id` matched (I7), carries a MAC under a key that lies outside the
//! folder, and is bound to the program that made it, because another version may find more. Whatever cannot be read, is
//! damaged, foreign or from elsewhere is a miss, never an error. What a hit does not do is read the blob again: for
//! files of a layout it counts only while the very same file (device, inode, size, times) is in place.
//!
//! The gate (`promote`) never reads it; see docs/threat-model.md.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;

use crate::image::inflate::Encoding;
use crate::image::layer::ReadLayer;
use crate::image::layer_scan::Aliases;
use crate::image::limits::{CACHE_ENTRIES_KEPT, MAX_CACHE_BYTES, MAX_CACHE_ENTRY_BYTES};
use crate::image::stored;
use crate::oci::Digest;

/// First bytes of an entry; another format is a miss.
const MAGIC: &[u8] = b"countersign layer 1\n";
const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;

/// A folder of entries. Clones would share it.
pub struct LayerCache {
    folder: PathBuf,
    key: hmac::Key,
    maker: String,
}

impl std::fmt::Debug for LayerCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayerCache").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// What was read, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerKey<'a> {
    pub(super) digest: &'a Digest,
    pub(super) encoding: Encoding,
    pub(super) aliases: &'a Aliases,
}

impl LayerCache {
    /// Opens or makes the folder, and the key beside `state`. `maker` is the program: entries of another are misses.
    ///
    /// # Errors
    /// When folder or key cannot be made, or others may write there.
    pub fn open(folder: &Path, key_file: &Path, maker: &str) -> io::Result<Self> {
        own_folder(folder)?;
        own_folder(key_file.parent().unwrap_or(Path::new(".")))?;
        let key = match read_key(key_file)? {
            Some(key) => key,
            None => {
                make_key(key_file)?;
                read_key(key_file)?.ok_or_else(|| io::Error::other("the cache's key vanished"))?
            }
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        Ok(Self { folder: folder.to_owned(), key, maker: maker.to_owned() })
    }

    /// What the layer gave when it was read, if it was. With a `witness`, only if it was read from that very file.
    pub(super) fn get(&self, key: LayerKey<'_>, witness: Option<&str>) -> Option<ReadLayer> {
        let name = self.name(key);
        if let Some(witness) = witness {
            let seen = fs::read(self.folder.join(self.witness_name(&name, witness))).ok()?;
            hmac::verify(&self.key, format!("seen {name} {witness}").as_bytes(), &seen).ok()?;
        }
        let path = self.folder.join(&name);
        let file = fs::File::open(&path).ok()?;
        let mut bytes = Vec::new();
        file.take(MAX_CACHE_ENTRY_BYTES + 1).read_to_end(&mut bytes).ok()?;
        let body = self.verified(&name, &bytes)?;
        let read = stored::decode(body)?;
        // So that what is used stays; failing costs only the entry's place in the order.
        let touched = fs::File::options().append(true).open(&path);
        let _ = touched.and_then(|file| file.set_modified(SystemTime::now()));
        Some(read)
    }

    /// Keeps what a layer gave, whose digests the caller has compared. A cache that cannot be written is none.
    pub(super) fn put(&self, key: LayerKey<'_>, witness: Option<&str>, read: &ReadLayer) {
        let name = self.name(key);
        let kept = self.write(&name, read).and_then(|()| match witness {
            Some(witness) => {
                let mac = hmac::sign(&self.key, format!("seen {name} {witness}").as_bytes());
                self.write_bytes(&self.witness_name(&name, witness), mac.as_ref())
            }
            None => Ok(()),
        });
        if let Err(error) = kept {
            tracing::debug!(folder = %self.folder.display(), %error, "layer is not cached");
        }
        self.prune();
    }

    fn write(&self, name: &str, read: &ReadLayer) -> io::Result<()> {
        let body = stored::encode(read)?;
        let mac = hmac::sign(&self.key, &[name.as_bytes(), &body].concat());
        let bytes = [MAGIC, mac.as_ref(), &body].concat();
        if bytes.len() as u64 > MAX_CACHE_ENTRY_BYTES {
            return Err(io::Error::other("larger than an entry may be"));
        }
        self.write_bytes(name, &bytes)
    }

    /// Whole or not at all, also when two runs write the same entry.
    fn write_bytes(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(&self.folder)?;
        file.write_all(bytes)?;
        file.persist(self.folder.join(name)).map_err(|e| e.error)?;
        Ok(())
    }

    /// The name says all that decides the content, so an entry moved to another name fails its MAC.
    fn name(&self, key: LayerKey<'_>) -> String {
        let aliases: String = key.aliases.iter().map(|(real, known)| format!("{real}\0{known}\0")).collect();
        let text = format!("{}\0{}\0{}\0{aliases}", self.maker, key.digest, key.encoding.name());
        format!("{}.layer", Digest::of(text.as_bytes()).hex())
    }

    fn witness_name(&self, name: &str, witness: &str) -> String {
        format!("{}.seen", Digest::of(format!("{name}\0{witness}").as_bytes()).hex())
    }

    fn verified<'a>(&self, name: &str, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (mac, body) = bytes.strip_prefix(MAGIC)?.split_at_checked(MAC_BYTES)?;
        hmac::verify(&self.key, &[name.as_bytes(), body].concat(), mac).ok()?;
        Some(body)
    }

    /// Removes what was not used for longest until the folder is within its bounds, and leftovers of killed runs.
    fn prune(&self) {
        let Ok(listing) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = listing
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let metadata = entry.metadata().ok()?;
                Some((metadata.modified().ok()?, metadata.len(), entry.path()))
            })
            .collect();
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, size, _)| size).sum();
        let mut count = files.len();
        for (modified, size, path) in &files {
            let is_temporary = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(TEMPORARY));
            let left_behind = is_temporary && modified.elapsed().is_ok_and(|age| age > LEFT_BEHIND);
            if left_behind || bytes > MAX_CACHE_BYTES || count > CACHE_ENTRIES_KEPT {
                let _ = fs::remove_file(path);
                bytes -= size;
                count -= 1;
            }
        }
    }
}

const TEMPORARY: &str = ".writing-";
/// Nobody writes one entry for longer than this.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// A folder that only we can write to.
fn own_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::metadata(folder)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others may write there"));
    }
    Ok(())
}

/// The key, `None` when there is none or not of the right length.
fn read_key(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(key) if key.len() == KEY_BYTES => Ok(Some(key)),
        Ok(_) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn make_key(path: &Path) -> io::Result<()> {
    let mut key = [0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| io::Error::other("no random bytes"))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    file.write_all(&key)?;
    // Two first runs at once: the one that comes later loses entries, never the other way round.
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
