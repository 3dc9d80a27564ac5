//! PE/COFF (Microsoft's specification): Windows programs, which images carry for their users to download.

use std::ops::Range;

use crate::packages::executable::layout::{Layout, Segment};
use crate::packages::executable::store::{Fields, Store};

const DOS_HEADER: u64 = 64;
const COFF_HEADER: u64 = 24;
const SECTION: usize = 40;
/// Initialised data that is readable and writable.
const DATA: u32 = 0xc000_0040;
/// Where Go's reader does not look at: alignment.
const ALIGNMENT: u32 = 0x0060_0000;

pub(super) fn layout(store: &Store) -> Layout {
    match read(store) {
        Ok(layout) => layout,
        Err(Some(range)) => Layout::wants(range),
        Err(None) => Layout::broken("the PE headers make no sense"),
    }
}

/// The layout, or what is missing, or nothing for nonsense.
fn read(store: &Store) -> Result<Layout, Option<Range<u64>>> {
    let get = |range: Range<u64>| store.get(&range).ok_or(Some(range));
    let dos = Fields { bytes: get(0..DOS_HEADER)?, little: true };
    let at = u64::from(dos.u32(60).ok_or(None)?);
    let coff = Fields { bytes: get(at..at + COFF_HEADER)?, little: true };
    if !coff.bytes.starts_with(b"PE\0\0") {
        return Err(None);
    }
    let count = u64::from(coff.u16(6).ok_or(None)?);
    let optional = u64::from(coff.u16(20).ok_or(None)?);
    let end = at + COFF_HEADER + optional + count * SECTION as u64;
    let bytes = get(at + COFF_HEADER..end)?;
    let base = image_base(bytes).ok_or(None)?;
    let mut layout = Layout::default();
    let sections = usize::try_from(optional).ok().and_then(|n| bytes.get(n..)).ok_or(None)?;
    for entry in sections.chunks_exact(SECTION) {
        section(&mut layout, entry, base).ok_or(None)?;
    }
    Ok(layout)
}

fn image_base(optional: &[u8]) -> Option<u64> {
    let f = Fields { bytes: optional, little: true };
    match f.u16(0)? {
        0x10b => f.u32(28).map(u64::from),
        0x20b => f.u64(24),
        _ => None,
    }
}

fn section(layout: &mut Layout, entry: &[u8], base: u64) -> Option<()> {
    let f = Fields { bytes: entry, little: true };
    let (in_memory, address, size, offset) = (f.u32(8)?, f.u32(12)?, f.u32(16)?, f.u32(20)?);
    let flags = f.u32(36)?;
    let name = entry.get(..8)?;
    let start = base.checked_add(address.into())?;
    layout.segments.push(Segment { address: start, offset: offset.into(), size: size.into() });
    if layout.go.is_none() && address != 0 && size != 0 && flags & !ALIGNMENT == DATA {
        layout.go = Some(start..start.checked_add(in_memory.into())?);
    }
    if name == b".dep-v0\0" || (name == b"rdep-v0\0" && layout.audit.is_none()) {
        layout.audit = Some(offset.into()..u64::from(offset) + u64::from(size));
    }
    Some(())
}
