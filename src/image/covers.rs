//! Every path of a layer, as hashes: enough to be asked what the layer replaces, without keeping two million names.
//!
//! SHA-256 cut to 128 bits: who builds an image cannot find a path that collides with another, and the same layer
//! gives the same hashes on every machine, so they can be kept on disk.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

/// A hash in a table that is half full.
const HASH_BYTES_IN_SET: u64 = 34;

/// The hash of a normalised path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PathHash(pub(super) [u8; 16]);

impl PathHash {
    pub(super) fn of(path: &str) -> Self {
        let full = digest(&SHA256, path.as_bytes());
        let mut hash = [0; 16];
        hash.copy_from_slice(full.as_ref().get(..16).unwrap_or(&[0; 16]));
        Self(hash)
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Covers {
    pub(super) folders: HashSet<PathHash>,
    pub(super) others: HashSet<PathHash>,
    /// Folders above the entries, named by entries of their own or not.
    pub(super) above: HashSet<PathHash>,
}

impl Covers {
    pub(super) fn add(&mut self, path: &str, folder: bool) {
        let hash = PathHash::of(path);
        let (into, from) =
            if folder { (&mut self.folders, &mut self.others) } else { (&mut self.others, &mut self.folders) };
        from.remove(&hash);
        into.insert(hash);
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            if !self.above.insert(PathHash::of(parent)) {
                break;
            }
            above = parent;
        }
    }

    /// Does this layer put something in the place of this file or link, or of a folder above it?
    pub(super) fn replaces(&self, lineage: &Lineage) -> bool {
        self.folders.contains(&lineage.own)
            || self.others.contains(&lineage.own)
            || lineage.above.iter().any(|folder| self.others.contains(folder))
    }

    /// Roughly what the hashes take in memory.
    pub(super) fn weight(&self) -> u64 {
        (self.folders.len() + self.others.len() + self.above.len()) as u64 * HASH_BYTES_IN_SET
    }

    /// Is anything at `path` or below it in this layer?
    pub(super) fn touches(&self, path: &str) -> bool {
        let hash = PathHash::of(path);
        self.others.contains(&hash) || self.folders.contains(&hash) || self.above.contains(&hash)
    }
}

/// A path and the folders above it, hashed once for all layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lineage {
    own: PathHash,
    above: Arc<[PathHash]>,
}

/// Hashes of folders are shared by what is in them.
#[derive(Debug, Default)]
pub(super) struct Lineages(HashMap<String, Arc<[PathHash]>>);

impl Lineages {
    pub(super) fn of(&mut self, path: &str) -> Lineage {
        let own = PathHash::of(path);
        let Some((folder, _)) = path.rsplit_once('/') else { return Lineage { own, above: Arc::default() } };
        if let Some(above) = self.0.get(folder) {
            return Lineage { own, above: Arc::clone(above) };
        }
        let all = std::iter::successors(Some(folder), |f| f.rsplit_once('/').map(|(parent, _)| parent));
        let above: Arc<[PathHash]> = all.map(PathHash::of).collect();
        self.0.insert(folder.to_owned(), Arc::clone(&above));
        Lineage { own, above }
    }
}
