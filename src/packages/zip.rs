//! A zip archive that is wholly in memory (PKWARE APPNOTE.TXT): its directory, and single files of it.
//!
//! The central directory decides, as for every installer; bytes that it does not mention are never looked at. Sizes are
//! checked against what is really there, content against its checksum. Archives of more than 4 GiB (zip64), encrypted
//! ones and methods other than "stored" and "deflated" are not read, which the error says.

use std::io::Read;

use flate2::Crc;
use flate2::read::DeflateDecoder;

/// An archive of a Python or Java package has a few thousand files; the directory of more would eat our memory.
pub const MAX_ENTRIES: usize = 65_535;

const END_MARK: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const MAX_COMMENT_BYTES: usize = 65_535;
const ENTRY_MARK: &[u8] = b"PK\x01\x02";
const ENTRY_BYTES: usize = 46;
const FILE_MARK: &[u8] = b"PK\x03\x04";
const FILE_BYTES: usize = 30;

/// Why an archive or a file of it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZipError {
    #[error("not a readable zip archive: {why}")]
    Malformed { why: &'static str },
    #[error("{name:?} in the archive has more than the {max} bytes that are read")]
    TooLarge { name: String, max: u64 },
    #[error("{name:?} in the archive is {how}, which is not read")]
    Unsupported { name: String, how: &'static str },
    #[error("{name:?} in the archive is damaged: {why}")]
    Damaged { name: String, why: &'static str },
}

/// The directory of an archive.
#[derive(Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    entries: Vec<Entry>,
}

/// One file as the directory describes it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// As written; bytes that are no UTF-8 are replaced.
    pub name: String,
    encrypted: bool,
    method: u16,
    crc: u32,
    packed: usize,
    size: u64,
    start: usize,
}

impl<'a> Archive<'a> {
    /// Reads the directory.
    pub fn open(bytes: &'a [u8]) -> Result<Self, ZipError> {
        let end_at = end_mark(bytes).ok_or(malformed("no end of directory"))?;
        let end = bytes.get(end_at..).unwrap_or_default();
        let count = usize::from(u16_at(end, 10).ok_or(TRUNCATED)?);
        let (size, offset) = (long(end, 12)?, long(end, 16)?);
        let start = end_at.checked_sub(size).ok_or(malformed("directory larger than the archive"))?;
        // Something may stand before the archive (a launcher); then all offsets are off by its length.
        let shift = start.checked_sub(offset).ok_or(malformed("directory outside the archive"))?;
        let mut rest = bytes.get(start..end_at).ok_or(TRUNCATED)?;
        let mut entries = Vec::with_capacity(count.min(rest.len() / ENTRY_BYTES));
        while !rest.is_empty() {
            let (entry, more) = entry(rest, shift)?;
            if entries.len() >= MAX_ENTRIES {
                return Err(malformed("too many files"));
            }
            entries.push(entry);
            rest = more;
        }
        if entries.len() != count {
            return Err(malformed("directory has another number of files than it says"));
        }
        Ok(Self { bytes, entries })
    }

    /// In the order of the directory.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The content of `entry`, at most `max` bytes, checked against length and checksum.
    pub fn read(&self, entry: &Entry, max: u64) -> Result<Vec<u8>, ZipError> {
        let name = || entry.name.clone();
        let damaged = |why| ZipError::Damaged { name: name(), why };
        if entry.encrypted {
            return Err(ZipError::Unsupported { name: name(), how: "encrypted" });
        }
        if entry.size > max {
            return Err(ZipError::TooLarge { name: name(), max });
        }
        let header = self.bytes.get(entry.start..).ok_or(damaged("no content"))?;
        let lengths = (u16_at(header, 26), u16_at(header, 28));
        let (true, (Some(name_bytes), Some(extra))) = (header.starts_with(FILE_MARK), lengths) else {
            return Err(damaged("no header before the content"));
        };
        let from = FILE_BYTES + usize::from(name_bytes) + usize::from(extra);
        let packed = header.get(from..).and_then(|rest| rest.get(..entry.packed)).ok_or(damaged("content is cut"))?;
        let content = match entry.method {
            0 => packed.to_vec(),
            8 => {
                let mut content = Vec::new();
                let mut inflated = DeflateDecoder::new(packed).take(entry.size + 1);
                inflated.read_to_end(&mut content).map_err(|_| damaged("content cannot be inflated"))?;
                content
            }
            _ => return Err(ZipError::Unsupported { name: name(), how: "packed by an unusual method" }),
        };
        if content.len() as u64 != entry.size {
            return Err(damaged("content has another length than the directory says"));
        }
        let mut crc = Crc::new();
        crc.update(&content);
        if crc.sum() != entry.crc {
            return Err(damaged("content does not match its checksum"));
        }
        Ok(content)
    }
}

const TRUNCATED: ZipError = ZipError::Malformed { why: "directory is cut" };

const fn malformed(why: &'static str) -> ZipError {
    ZipError::Malformed { why }
}

/// The last end mark with room for its comment; what follows that is passed over, as everywhere.
fn end_mark(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_BYTES)?;
    let first = last.saturating_sub(MAX_COMMENT_BYTES);
    (first..=last).rev().find(|at| {
        let end = bytes.get(*at..).unwrap_or_default();
        end.starts_with(END_MARK)
            && u16_at(end, 20).is_some_and(|comment| END_BYTES + usize::from(comment) <= end.len())
    })
}

fn entry(bytes: &[u8], shift: usize) -> Result<(Entry, &[u8]), ZipError> {
    if !bytes.starts_with(ENTRY_MARK) {
        return Err(malformed("directory has something else than files"));
    }
    let short = |at| u16_at(bytes, at).ok_or(TRUNCATED);
    let (name_bytes, extra, comment) = (usize::from(short(28)?), usize::from(short(30)?), usize::from(short(32)?));
    let name = bytes.get(ENTRY_BYTES..ENTRY_BYTES + name_bytes).ok_or(TRUNCATED)?;
    let size = u32_at(bytes, 24).ok_or(TRUNCATED)?;
    if size == u32::MAX || long(bytes, 20)? == u32::MAX as usize {
        return Err(malformed("it is of the kind for more than 4 GiB"));
    }
    let entry = Entry {
        name: String::from_utf8_lossy(name).into_owned(),
        encrypted: short(8)? & 1 != 0,
        method: short(10)?,
        crc: u32_at(bytes, 16).ok_or(TRUNCATED)?,
        packed: long(bytes, 20)?,
        size: u64::from(size),
        start: long(bytes, 42)?.checked_add(shift).ok_or(TRUNCATED)?,
    };
    let rest = bytes.get(ENTRY_BYTES + name_bytes + extra + comment..).ok_or(TRUNCATED)?;
    Ok((entry, rest))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> Result<usize, ZipError> {
    u32_at(bytes, at).and_then(|value| usize::try_from(value).ok()).ok_or(TRUNCATED)
}

#[cfg(test)]
#[path = "zip_tests.rs"]
pub(super) mod tests;
