//! A read layer as bytes for the cache: JSON for what was found, hashes as they are, all of it compressed.
//!
//! Only bytes whose MAC was checked get here.

use std::collections::HashSet;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use crate::image::covers::{Covers, PathHash};
use crate::image::layer::ReadLayer;
use crate::image::layer_scan::LayerFacts;
use crate::image::limits::MAX_STORED_BYTES;
use crate::oci::Digest;

/// Fast, and entries are small.
const ZSTD_LEVEL: i32 = 1;
const HASH_BYTES: usize = size_of::<PathHash>();
/// Length of the document and numbers of the hashes behind it.
const NUMBERS: usize = 4;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<Facts> {
    diff_id: Digest,
    facts: Facts,
}

pub(super) fn encode(read: &ReadLayer) -> io::Result<Vec<u8>> {
    let covers = &read.facts.covers;
    let document = serde_json::to_vec(&Document { diff_id: read.diff_id.clone(), facts: &read.facts })?;
    let sets = [&covers.folders, &covers.others, &covers.above];
    let mut bytes = Vec::new();
    for number in [document.len(), sets[0].len(), sets[1].len(), sets[2].len()] {
        bytes.extend((number as u64).to_le_bytes());
    }
    bytes.extend(document);
    for set in sets {
        bytes.extend(set.iter().flat_map(|hash| hash.0));
    }
    if bytes.len() as u64 > MAX_STORED_BYTES {
        return Err(io::Error::other("larger than an entry may be"));
    }
    zstd::encode_all(&bytes[..], ZSTD_LEVEL)
}

/// `None` for bytes of another shape.
pub(super) fn decode(bytes: &[u8]) -> Option<ReadLayer> {
    let mut plain = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(bytes).ok()?;
    decoder.take(MAX_STORED_BYTES).read_to_end(&mut plain).ok()?;
    let mut rest = plain.as_slice();
    let mut numbers = [0; NUMBERS];
    for number in &mut numbers {
        let (eight, after) = rest.split_first_chunk::<8>()?;
        *number = usize::try_from(u64::from_le_bytes(*eight)).ok()?;
        rest = after;
    }
    let [document, folders, others, above] = numbers;
    let (document, mut rest) = rest.split_at_checked(document)?;
    let mut hashes = |count: usize| {
        let (these, after) = rest.split_at_checked(count.checked_mul(HASH_BYTES)?)?;
        rest = after;
        let (chunks, _) = these.as_chunks::<HASH_BYTES>();
        Some(chunks.iter().map(|chunk| PathHash(*chunk)).collect::<HashSet<_>>())
    };
    let covers = Covers { folders: hashes(folders)?, others: hashes(others)?, above: hashes(above)? };
    if !rest.is_empty() {
        return None;
    }
    let Document { diff_id, facts } = serde_json::from_slice::<Document<LayerFacts>>(document).ok()?;
    Some(ReadLayer { facts: LayerFacts { covers, ..facts }, diff_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_comes_back_as_it_was() {
        let mut facts = LayerFacts::default();
        facts.covers.add("a/b/c", false);
        facts.covers.add("a", true);
        facts.symlinks.insert("x".to_owned(), "y".to_owned());
        facts.opaque.insert(String::new());
        let read = ReadLayer { facts, diff_id: Digest::of(b"x") };
        let bytes = encode(&read).unwrap();
        assert_eq!(decode(&bytes).unwrap(), read);
        assert!(decode(&bytes[..bytes.len() - 1]).is_none());
        assert!(decode(b"").is_none());
    }
}
