//! `Packages.db`: SUSE's format. A header, pages of slots, and one blob per used slot.

use crate::packages::rpm::Sink;
use crate::packages::rpm::bytes::little32;

pub(super) const MAGIC: &[u8] = b"RpmP";
const SLOT_MAGIC: u32 = u32::from_le_bytes(*b"Slot");
const BLOB_MAGIC: u32 = u32::from_le_bytes(*b"BlbS");
const SLOT_BYTES: usize = 16;
/// Slots of one page; the first two of the file are the header.
const SLOTS_PER_PAGE: usize = 4096 / SLOT_BYTES;
const HEADER_SLOTS: usize = 2;
/// Slot pages: half a million packages.
const MAX_SLOT_PAGES: usize = 2048;

pub(super) fn read(bytes: &[u8], sink: &mut dyn Sink) -> Result<(), String> {
    let field = |at| little32(bytes, at).and_then(|n| usize::try_from(n).ok()).ok_or("shorter than its header");
    match field(4)? {
        0 => {}
        version => return Err(format!("ndb version {version}")),
    }
    let pages = field(12)?;
    if pages == 0 || pages > MAX_SLOT_PAGES {
        return Err(format!("{pages} pages of slots"));
    }
    let slots = bytes.get(HEADER_SLOTS * SLOT_BYTES..pages * SLOTS_PER_PAGE * SLOT_BYTES);
    let slots = slots.ok_or_else(|| format!("shorter than its {pages} pages of slots"))?;
    // Blobs do not overlap in a whole file, so together they are not longer than it.
    let mut left = bytes.len();
    for slot in slots.as_chunks::<SLOT_BYTES>().0 {
        match blob(bytes, slot) {
            Ok(None) => {}
            Ok(Some(blob)) => {
                let Some(rest) = left.checked_sub(blob.len()) else { return Err("blobs overlap".to_owned()) };
                left = rest;
                sink.header(blob);
            }
            Err(why) => sink.unreadable(why),
        }
    }
    Ok(())
}

/// The blob that a slot points to; `None` for a free slot.
fn blob<'a>(bytes: &'a [u8], slot: &[u8; SLOT_BYTES]) -> Result<Option<&'a [u8]>, String> {
    let field = |at| little32(slot, at).unwrap_or_default();
    let (magic, package, block) = (field(0), field(4), field(8));
    if magic != SLOT_MAGIC {
        return Err(format!("a slot begins with {magic:#010x}"));
    }
    if package == 0 {
        return Ok(None);
    }
    let blob = usize::try_from(block).ok().and_then(|block| bytes.get(block.checked_mul(SLOT_BYTES)?..));
    let blob = blob.ok_or_else(|| format!("package {package} is beyond the end"))?;
    let head = |at| little32(blob, at).unwrap_or_default();
    if (head(0), head(4)) != (BLOB_MAGIC, package) {
        return Err(format!("package {package} is not where its slot says"));
    }
    let whole = usize::try_from(head(12)).ok().and_then(|length| blob.get(16..length.checked_add(16)?));
    whole.map(Some).ok_or_else(|| format!("package {package} is cut off"))
}
