//! Mach-O (Apple's loader.h): programs for macOS. Of a file for several architectures the first is read, as Go does.

use std::ops::Range;

use crate::packages::executable::layout::{Layout, Segment};
use crate::packages::executable::store::{Fields, Store};

const SEGMENT: u32 = 0x1;
const SEGMENT_64: u32 = 0x19;
const READ_WRITE: u32 = 3;

pub(super) fn layout(store: &Store) -> Layout {
    match read(store) {
        Ok(layout) => layout,
        Err(Some(range)) => Layout::wants(range),
        Err(None) => Layout::broken("the Mach-O headers make no sense"),
    }
}

/// The layout, or what is missing, or nothing for nonsense.
fn read(store: &Store) -> Result<Layout, Option<Range<u64>>> {
    let get = |range: Range<u64>| store.get(&range).ok_or(Some(range));
    let fat = Fields { bytes: get(0..32)?, little: false };
    let start = match fat.u32(0).ok_or(None)? {
        // Offset of the first architecture, after its type and subtype.
        0xcafe_babe => u64::from(fat.u32(16).ok_or(None)?),
        0xcafe_babf => fat.u64(16).ok_or(None)?,
        _ => 0,
    };
    let end = start.checked_add(32).ok_or(None)?;
    let bytes = get(start..end)?;
    let (little, wide) = match bytes {
        [0xfe, 0xed, 0xfa, kind, ..] => (false, *kind == 0xcf),
        [kind, 0xfa, 0xed, 0xfe, ..] => (true, *kind == 0xcf),
        _ => return Err(None),
    };
    let header = Fields { bytes, little };
    let commands = start + if wide { 32 } else { 28 };
    let size = u64::from(header.u32(20).ok_or(None)?);
    let mut rest = get(commands..commands.checked_add(size).ok_or(None)?)?;
    let mut layout = Layout::default();
    let mut writable = None;
    for _ in 0..header.u32(16).ok_or(None)? {
        let f = Fields { bytes: rest, little };
        let (kind, length) = (f.u32(0).ok_or(None)?, f.u32(4).ok_or(None)? as usize);
        let command = rest.get(..length).filter(|c| c.len() >= 8).ok_or(None)?;
        if matches!(kind, SEGMENT | SEGMENT_64) {
            let fields = Fields { bytes: command, little };
            let data = segment(&mut layout, fields, kind == SEGMENT_64, start).ok_or(None)?;
            writable = writable.or(data);
        }
        rest = rest.get(length..).ok_or(None)?;
    }
    layout.go = layout.go.or(writable);
    Ok(layout)
}

/// Fills in one segment and its sections. The inner value: its addresses, if it is writable data.
fn segment(layout: &mut Layout, f: Fields<'_>, wide: bool, start: u64) -> Option<Option<Range<u64>>> {
    let word = if wide { 8 } else { 4 };
    let (address, memory) = (f.word(24, wide)?, f.word(24 + word, wide)?);
    let (offset, size) = (f.word(24 + 2 * word, wide)?, f.word(24 + 3 * word, wide)?);
    let after = 24 + 4 * word;
    let (most, protection, sections) = (f.u32(after)?, f.u32(after + 4)?, f.u32(after + 8)?);
    let name = f.bytes.get(8..24)?;
    if !named(name, b"__PAGEZERO") {
        layout.segments.push(Segment { address, offset: start.checked_add(offset)?, size });
    }
    let data = address != 0 && size != 0 && most == READ_WRITE && protection == READ_WRITE;
    let data = if data { Some(address..address.checked_add(memory)?) } else { None };
    let length = if wide { 80 } else { 68 };
    let list = f.bytes.get(after + 16..)?;
    for entry in list.chunks_exact(length).take(sections as usize) {
        let name = entry.get(..16)?;
        let s = Fields { bytes: entry, little: f.little };
        let (address, size) = (s.word(32, wide)?, s.word(32 + word, wide)?);
        let offset = start.checked_add(s.u32(32 + 2 * word)?.into())?;
        if named(name, b"__go_buildinfo") && layout.go.is_none() {
            layout.go = Some(address..address.checked_add(size)?);
        }
        if named(name, b".dep-v0") || (named(name, b"rust-deps-v0") && layout.audit.is_none()) {
            layout.audit = Some(offset..offset.checked_add(size)?);
        }
    }
    Some(data)
}

fn named(field: &[u8], name: &[u8]) -> bool {
    field.strip_prefix(name).is_some_and(|rest| rest.iter().all(|b| *b == 0))
}
