//! ELF (System V ABI, chapter 4): segments and sections.
//!
//! Section headers stand at the end of most files, after everything they describe. Names are not read at all: the
//! stream remembers where the names that matter stood, and a section has one if its name points there.

use std::ops::Range;

use crate::packages::executable::layout::{Layout, Segment};
use crate::packages::executable::marks::Names;
use crate::packages::executable::store::{Fields, Store};

const HEADER: u64 = 64;
const LOAD: u32 = 1;
const EXECUTE: u32 = 1;
const WRITE: u32 = 2;
/// Section without bytes in the file.
const NOBITS: u32 = 8;

struct Header {
    little: bool,
    wide: bool,
    segments: Table,
    sections: Table,
    /// Number of the section that holds the names.
    names: u32,
}

struct Table {
    offset: u64,
    entry: u64,
    count: u64,
}

impl Table {
    fn range(&self) -> Option<Range<u64>> {
        let end = self.offset.checked_add(self.entry.checked_mul(self.count)?)?;
        Some(self.offset..end)
    }
}

struct Section {
    name: u32,
    kind: u32,
    address: u64,
    offset: u64,
    size: u64,
    link: u32,
}

pub(super) fn layout(store: &Store, names: &Names) -> Layout {
    let Some(bytes) = store.get(&(0..HEADER)) else { return Layout::wants(0..HEADER) };
    let Some(header) = header(bytes) else { return Layout::broken("the ELF header makes no sense") };
    let mut layout = Layout::default();
    let writable = segments(&header, store, &mut layout);
    let sections = sections(&header, store, &mut layout);
    let Some(sections) = sections.filter(|_| layout.wants.is_empty() && layout.broken.is_none()) else { return layout };
    let table = sections.get(header.names as usize).map_or(0, |s| s.offset);
    let named = |places: &[u64]| {
        sections.iter().find(|s| table > 0 && places.binary_search(&table.saturating_add(u64::from(s.name))).is_ok())
    };
    layout.go = named(&names.go).map(|s| s.address..s.address.saturating_add(s.size)).or(writable);
    let audit = named(&names.audit).or_else(|| named(&names.audit_before_1));
    layout.audit = audit.filter(|s| s.kind != NOBITS).map(|s| s.offset..s.offset.saturating_add(s.size));
    layout
}

fn header(bytes: &[u8]) -> Option<Header> {
    let wide = match bytes.get(4)? {
        1 => false,
        2 => true,
        _ => return None,
    };
    let little = match bytes.get(5)? {
        1 => true,
        2 => false,
        _ => return None,
    };
    let f = Fields { bytes, little };
    let (phoff, shoff, sizes) = if wide { (32, 40, 54) } else { (28, 32, 42) };
    let entry = |at| f.u16(at).map(u64::from);
    Some(Header {
        little,
        wide,
        segments: Table { offset: f.word(phoff, wide)?, entry: entry(sizes)?, count: entry(sizes + 2)? },
        sections: Table { offset: f.word(shoff, wide)?, entry: entry(sizes + 4)?, count: entry(sizes + 6)? },
        names: f.u16(sizes + 8)?.into(),
    })
}

/// Fills in the segments; gives the first that is writable data.
fn segments(header: &Header, store: &Store, layout: &mut Layout) -> Option<Range<u64>> {
    let table = &header.segments;
    if table.count == 0 {
        return None;
    }
    let size = if header.wide { 56 } else { 32 };
    let Some(range) = table.range().filter(|_| table.entry == size) else {
        layout.broken = Some("the ELF program headers make no sense".to_owned());
        return None;
    };
    let Some(bytes) = store.get(&range) else {
        layout.wants.push(range);
        return None;
    };
    let mut writable = None;
    for entry in bytes.chunks_exact(usize::try_from(size).ok()?) {
        let f = Fields { bytes: entry, little: header.little };
        let w = header.wide;
        let (flags, offset, address, file, memory) = if w { (4, 8, 16, 32, 40) } else { (24, 4, 8, 16, 20) };
        let address = f.word(address, w)?;
        layout.segments.push(Segment { address, offset: f.word(offset, w)?, size: f.word(file, w)? });
        if f.u32(0)? == LOAD && f.u32(flags)? & (EXECUTE | WRITE) == WRITE && writable.is_none() {
            writable = Some(address..address.saturating_add(f.word(memory, w)?));
        }
    }
    writable
}

/// `None` while headers are missing; none at all is an empty list.
fn sections(header: &Header, store: &Store, layout: &mut Layout) -> Option<Vec<Section>> {
    let size = if header.wide { 64 } else { 40 };
    let mut table = Table { ..header.sections };
    if table.offset == 0 {
        return Some(Vec::new());
    }
    if table.count == 0 {
        // More than 65,279 sections: the first header counts them.
        table.count = 1;
        let first = read_sections(header, size, &table, store, layout)?;
        table.count = first.first().map_or(0, |s| s.size);
    }
    let mut all = read_sections(header, size, &table, store, layout)?;
    if header.names == 0xffff
        && let Some(link) = all.first().map(|s| s.link)
        && let Some(names) = all.get(link as usize).map(|s| s.offset)
        && let Some(stand_in) = all.get_mut(0xffff)
    {
        stand_in.offset = names;
    }
    Some(all)
}

fn read_sections(
    header: &Header,
    size: u64,
    table: &Table,
    store: &Store,
    layout: &mut Layout,
) -> Option<Vec<Section>> {
    let Some(range) = table.range().filter(|_| table.entry == size) else {
        layout.broken = Some("the ELF section headers make no sense".to_owned());
        return None;
    };
    let Some(bytes) = store.get(&range) else {
        layout.wants.push(range);
        return None;
    };
    let read = |entry: &[u8]| {
        let f = Fields { bytes: entry, little: header.little };
        let w = header.wide;
        let (address, offset, size, link) = if w { (16, 24, 32, 40) } else { (12, 16, 20, 24) };
        Some(Section {
            name: f.u32(0)?,
            kind: f.u32(4)?,
            address: f.word(address, w)?,
            offset: f.word(offset, w)?,
            size: f.word(size, w)?,
            link: f.u32(link)?,
        })
    };
    bytes.chunks_exact(usize::try_from(size).ok()?).map(read).collect()
}
