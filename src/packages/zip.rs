//! A walk over a zip archive (PKWARE's APPNOTE.TXT) as it streams past, without seeking and without unpacking.
//!
//! Readers of zip files start from the directory at the end; what it does not list is not in the archive. A stream sees
//! the entries first, so it reads those that matter as they come, and at the end believes only what the directory lists,
//! at the place and with the checksum it says. An entry that the directory lists and the walk has not read (overlapping,
//! hidden behind a lying size, encrypted) is *missed*, never forgotten.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::bufread::DeflateDecoder;

use crate::packages::zip_stream::{Budget, Checked, Stream, Trouble, UntilDescriptor, u16_at, u32_at, u64_at};

/// Entries of one archive. The largest programs in one file have 200,000.
pub const MAX_ENTRIES: usize = 500_000;
/// Entries of one archive that are read: module descriptions and archives inside.
pub const MAX_READ: usize = 20_000;

/// Held in memory of an entry that matters, besides its name.
const ENTRY_BYTES: usize = 128;

const LOCAL: &[u8; 4] = b"PK\x03\x04";
const LISTED: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
const END_64: &[u8; 4] = b"PK\x06\x06";

const ENCRYPTED: u16 = 1;
/// Sizes follow the content.
const SIZES_FOLLOW: u16 = 8;

/// What a walk has found, in the directory's order.
#[derive(Debug)]
pub(super) struct Walked<T> {
    pub(super) found: Vec<(String, T)>,
    /// Entries that matter and could not be read, with the reason.
    pub(super) missed: Vec<String>,
    /// SHA-1 of the whole archive, in hex.
    pub(super) sha1: String,
}

/// An entry that was read.
struct Taken<T> {
    at: u64,
    name: Vec<u8>,
    checksum: u32,
    content: T,
}

/// An entry that matters, as the directory lists it.
struct Listed {
    name: Vec<u8>,
    /// From the archive's beginning, which need not be the file's.
    offset: u64,
    checksum: u32,
    encrypted: bool,
}

#[derive(Default)]
struct Directory {
    /// Where its first entry lies.
    start: u64,
    entries: Vec<Listed>,
    count: usize,
    /// Where it says that it lies; from the 64-bit end record, if there is one.
    offset_64: Option<u64>,
    /// Where the archive begins: what stands before is no part of it.
    base: Option<u64>,
}

struct Walk<'a, T, W, R> {
    stream: Stream<'a>,
    budget: Budget,
    matters: W,
    read: R,
    taken: Vec<Taken<T>>,
    /// Why an entry at some place was not read.
    refused: BTreeMap<u64, String>,
    directory: Directory,
    entries: usize,
}

/// Walks `reader` to its end. `matters` picks entries by name; `read` is given each of them, unpacked.
pub(super) fn walk<T>(
    reader: &mut dyn Read,
    budget: &Budget,
    matters: impl FnMut(&[u8]) -> bool,
    read: impl FnMut(&str, &mut dyn Read) -> T,
) -> Result<Walked<T>, Trouble> {
    let mut walk = Walk {
        stream: Stream::new(reader),
        budget: budget.clone(),
        matters,
        read,
        taken: Vec::new(),
        refused: BTreeMap::new(),
        directory: Directory::default(),
        entries: 0,
    };
    walk.run()?;
    walk.finish()
}

impl<T, W: FnMut(&[u8]) -> bool, R: FnMut(&str, &mut dyn Read) -> T> Walk<'_, T, W, R> {
    fn run(&mut self) -> Result<(), Trouble> {
        while self.stream.seek_signature()? {
            let signature: [u8; 4] = self.stream.array()?;
            match &signature {
                LOCAL => self.local()?,
                LISTED => self.listed()?,
                END => self.end()?,
                END_64 => self.end_64()?,
                // A descriptor that nothing asked for, or chance: go on behind it.
                _ => self.stream.skip(2)?,
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Trouble> {
        self.entries += 1;
        if self.entries > 2 * MAX_ENTRIES {
            return Err(Trouble::Limit(format!("more than {MAX_ENTRIES} entries")));
        }
        Ok(())
    }

    fn local(&mut self) -> Result<(), Trouble> {
        self.count()?;
        let at = self.stream.position();
        let header: [u8; 30] = self.stream.take_array()?;
        let name = self.stream.text(u16_at(&header, 26).into())?;
        let extra = self.stream.text(u16_at(&header, 28).into())?;
        let flags = u16_at(&header, 6);
        let method = u16_at(&header, 8);
        let mut packed = u64::from(u32_at(&header, 18));
        if packed == u64::from(u32::MAX) {
            // The unpacked size comes first, and both must be there in a local header.
            packed = wide(&extra, 1).unwrap_or(packed);
        }
        let size = (flags & SIZES_FOLLOW == 0 || packed > 0).then_some(packed);
        if !(self.matters)(&name) {
            return self.pass(size);
        }
        self.budget.hold(name.len() + ENTRY_BYTES)?;
        let why = match (method, size) {
            _ if flags & ENCRYPTED != 0 => Some("it is encrypted".to_owned()),
            (8 | 0, _) => None,
            (other, _) => Some(format!("compression method {other}")),
        };
        if let Some(why) = why {
            self.refused.insert(at, why);
            return self.pass(size);
        }
        if self.taken.len() >= MAX_READ {
            return Err(Trouble::Limit(format!("more than {MAX_READ} entries that matter")));
        }
        self.content(at, name, method == 8, size)
    }

    fn pass(&mut self, size: Option<u64>) -> Result<(), Trouble> {
        match size {
            Some(size) => self.stream.skip(size),
            None => self.stream.skip_to_descriptor(),
        }
    }

    fn content(&mut self, at: u64, name: Vec<u8>, deflated: bool, size: Option<u64>) -> Result<(), Trouble> {
        let text = String::from_utf8_lossy(&name).into_owned();
        let start = self.stream.position();
        let (mut until, mut packed, mut inflate);
        let inner: &mut dyn Read = if deflated {
            // Without a size it ends by itself: deflate knows its end.
            inflate = DeflateDecoder::new(self.stream.by_ref().take(size.unwrap_or(u64::MAX)));
            &mut inflate
        } else if let Some(size) = size {
            packed = self.stream.by_ref().take(size);
            &mut packed
        } else {
            until = UntilDescriptor::new(&mut self.stream);
            &mut until
        };
        let mut checked = Checked::new(inner, &self.budget);
        let content = (self.read)(&text, &mut checked);
        let outcome = checked.finish();
        match outcome {
            Ok(checksum) => self.taken.push(Taken { at, name, checksum, content }),
            Err(Trouble::Corrupt(why)) => _ = self.refused.insert(at, why),
            Err(limit @ Trouble::Limit(_)) => return Err(limit),
        }
        if let Some(size) = size {
            let done = self.stream.position() - start;
            self.stream.skip(size.saturating_sub(done))?;
        }
        Ok(())
    }

    fn listed(&mut self) -> Result<(), Trouble> {
        self.count()?;
        let at = self.stream.position();
        if self.directory.count == 0 || self.directory.base.is_some() {
            self.directory = Directory { start: at, ..Directory::default() };
        }
        self.directory.count += 1;
        let header: [u8; 46] = self.stream.take_array()?;
        let name = self.stream.text(u16_at(&header, 28).into())?;
        let extra = self.stream.text(u16_at(&header, 30).into())?;
        self.stream.skip(u16_at(&header, 32).into())?;
        if !(self.matters)(&name) {
            return Ok(());
        }
        if self.directory.entries.len() >= MAX_READ {
            return Err(Trouble::Limit(format!("more than {MAX_READ} entries that matter")));
        }
        self.budget.hold(name.len() + ENTRY_BYTES)?;
        let mut offset = u64::from(u32_at(&header, 42));
        if offset == u64::from(u32::MAX) {
            // Behind those sizes that did not fit either.
            let before = [20, 24].iter().filter(|at| u32_at(&header, **at) == u32::MAX).count();
            offset = wide(&extra, before).unwrap_or(offset);
        }
        let encrypted = u16_at(&header, 8) & ENCRYPTED != 0;
        self.directory.entries.push(Listed { name, offset, checksum: u32_at(&header, 16), encrypted });
        Ok(())
    }

    fn end_64(&mut self) -> Result<(), Trouble> {
        let record: [u8; 56] = self.stream.take_array()?;
        self.directory.offset_64 = Some(u64_at(&record, 48));
        Ok(())
    }

    fn end(&mut self) -> Result<(), Trouble> {
        let at = self.stream.position();
        let record: [u8; 22] = self.stream.take_array()?;
        if self.directory.count == 0 || self.directory.base.is_some() {
            // An archive of nothing.
            self.directory = Directory { start: at, offset_64: self.directory.offset_64, ..Directory::default() };
        }
        let said = u64::from(u32_at(&record, 16));
        let said = if said == u64::from(u32::MAX) { self.directory.offset_64.unwrap_or(said) } else { said };
        let base = self.directory.start.checked_sub(said);
        self.directory.base =
            Some(base.ok_or_else(|| Trouble::Corrupt("its directory is not where it says".to_owned()))?);
        let comment = self.stream.text(u16_at(&record, 20).into())?;
        if memchr::memmem::find(&comment, END).is_some() {
            return Err(Trouble::Corrupt("it has two ends".to_owned()));
        }
        Ok(())
    }

    /// What the directory lists and the walk has read; the rest is missed.
    fn finish(self) -> Result<Walked<T>, Trouble> {
        let Some(base) = self.directory.base else { return Err(Trouble::Corrupt("no zip archive".to_owned())) };
        let mut walked = Walked { found: Vec::new(), missed: Vec::new(), sha1: self.stream.sha1() };
        // By place, so that each is found once.
        let mut places: BTreeMap<u64, Taken<T>> = self.taken.into_iter().map(|taken| (taken.at, taken)).collect();
        for entry in self.directory.entries {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            let at = base.saturating_add(entry.offset);
            let refused = self.refused.get(&at).cloned();
            let why = match places.remove(&at) {
                Some(taken) if taken.name != entry.name => "another name stands at its place".to_owned(),
                Some(taken) if taken.checksum != entry.checksum => "its checksum is another".to_owned(),
                Some(taken) => {
                    walked.found.push((name, taken.content));
                    continue;
                }
                None if entry.encrypted => "it is encrypted".to_owned(),
                None => refused.unwrap_or_else(|| "it is not where the directory says".to_owned()),
            };
            walked.missed.push(format!("{name}: {why}"));
        }
        Ok(walked)
    }
}

/// The number at `index` of those that did not fit into 32 bits (APPNOTE 4.5.3).
fn wide(mut extra: &[u8], index: usize) -> Option<u64> {
    while let Some((head, rest)) = extra.split_at_checked(4) {
        let (body, after) = rest.split_at_checked(u16_at(head, 2).into())?;
        if u16_at(head, 0) == 1 {
            let at = index * 8;
            return body.get(at..at + 8).map(|bytes| u64_at(bytes, 0));
        }
        extra = after;
    }
    None
}

#[cfg(test)]
#[path = "zip_tests.rs"]
pub(super) mod tests;
