//! One RPM header: an index of typed values and the store that holds them.

use std::collections::BTreeMap;

use crate::packages::rpm::bytes::big32;

pub(super) const MD5: u32 = 261;
pub(super) const NAME: u32 = 1000;
pub(super) const VERSION: u32 = 1001;
pub(super) const RELEASE: u32 = 1002;
pub(super) const EPOCH: u32 = 1003;
pub(super) const VENDOR: u32 = 1011;
pub(super) const LICENCE: u32 = 1014;
pub(super) const ARCHITECTURE: u32 = 1022;
pub(super) const SOURCE_RPM: u32 = 1044;
pub(super) const PROVIDES: u32 = 1047;
pub(super) const REQUIRES: u32 = 1049;
pub(super) const FOLDER_INDEXES: u32 = 1116;
pub(super) const FILE_NAMES: u32 = 1117;
pub(super) const FOLDER_NAMES: u32 = 1118;
pub(super) const MODULARITY: u32 = 5096;

const WANTED: [u32; 15] = [
    MD5,
    NAME,
    VERSION,
    RELEASE,
    EPOCH,
    VENDOR,
    LICENCE,
    ARCHITECTURE,
    SOURCE_RPM,
    PROVIDES,
    REQUIRES,
    FOLDER_INDEXES,
    FILE_NAMES,
    FOLDER_NAMES,
    MODULARITY,
];

const INT32: u32 = 4;
const STRING: u32 = 6;
const BINARY: u32 = 7;
const STRINGS: u32 = 8;
const TRANSLATED: u32 = 9;

/// Index entries of one header: RPM's own limit.
const MAX_ENTRIES: usize = 0xffff;
const ENTRY_BYTES: usize = 16;

#[derive(Clone, Copy)]
struct Value<'a> {
    kind: u32,
    count: usize,
    /// From the value to the end of the store.
    data: &'a [u8],
}

pub(super) struct Header<'a>(BTreeMap<u32, Value<'a>>);

impl<'a> Header<'a> {
    /// The index is checked; a value only when it is asked for.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let length = |at| big32(bytes, at).and_then(|n| usize::try_from(n).ok()).ok_or("header of less than 8 bytes");
        let (entries, stored) = (length(0)?, length(4)?);
        if entries == 0 || entries > MAX_ENTRIES {
            return Err(format!("header with {entries} entries"));
        }
        let store = 8 + entries * ENTRY_BYTES;
        let end = store.checked_add(stored).filter(|end| *end <= bytes.len());
        let end = end.ok_or_else(|| {
            format!("header of {} bytes where {entries} entries and {stored} bytes of values should be", bytes.len())
        })?;
        let mut values = BTreeMap::new();
        for at in (8..store).step_by(ENTRY_BYTES) {
            let field = |n: usize| big32(bytes, at + 4 * n).unwrap_or_default();
            let (tag, kind, offset, count) = (field(0), field(1), field(2), field(3));
            if !WANTED.contains(&tag) {
                continue;
            }
            let start =
                usize::try_from(offset).ok().and_then(|offset| store.checked_add(offset)).filter(|at| *at < end);
            let data = start.and_then(|start| bytes.get(start..end));
            let data = data.ok_or_else(|| format!("value {tag} is outside of its header"))?;
            let value = Value { kind, count: usize::try_from(count).unwrap_or(usize::MAX), data };
            // The second would hide the first.
            if values.insert(tag, value).is_some() {
                return Err(format!("value {tag} is given twice"));
            }
        }
        Ok(Self(values))
    }

    /// A text without blanks and control characters. Absent, empty and `(none)` are the same, as RPM prints them.
    pub(super) fn word(&self, tag: u32) -> Result<Option<&'a str>, String> {
        match self.text(tag)? {
            Some(text) if text.chars().any(char::is_whitespace) => Err(format!("value {tag} has blanks")),
            text => Ok(text),
        }
    }

    pub(super) fn text(&self, tag: u32) -> Result<Option<&'a str>, String> {
        let Some(value) = self.0.get(&tag) else { return Ok(None) };
        if !(value.kind == STRING && value.count == 1 || value.kind == TRANSLATED && value.count > 0) {
            return Err(format!("value {tag} is no text"));
        }
        let (text, _) = terminated(value.data).ok_or_else(|| format!("value {tag} does not end or is not UTF-8"))?;
        if text.chars().any(char::is_control) {
            return Err(format!("value {tag} has control characters"));
        }
        Ok(Some(text).filter(|text| !text.is_empty() && *text != "(none)"))
    }

    pub(super) fn texts(&self, tag: u32) -> Result<Vec<&'a str>, String> {
        let Some(value) = self.0.get(&tag) else { return Ok(Vec::new()) };
        if value.kind != STRINGS {
            return Err(format!("value {tag} is no list of texts"));
        }
        let (mut found, mut rest) = (Vec::new(), value.data);
        for _ in 0..value.count {
            let (text, after) = terminated_lossless(rest).ok_or_else(|| format!("value {tag} does not end"))?;
            // File names need not be UTF-8; nothing we look for has such a name.
            found.push(std::str::from_utf8(text).unwrap_or("\u{fffd}"));
            rest = after;
        }
        Ok(found)
    }

    pub(super) fn number(&self, tag: u32) -> Result<Option<u32>, String> {
        Ok(self.numbers(tag)?.first().copied())
    }

    pub(super) fn numbers(&self, tag: u32) -> Result<Vec<u32>, String> {
        let Some(value) = self.0.get(&tag) else { return Ok(Vec::new()) };
        let whole = value.count.checked_mul(4).and_then(|length| value.data.get(..length));
        let (INT32, Some(whole)) = (value.kind, whole) else {
            return Err(format!("value {tag} is no list of numbers"));
        };
        Ok(whole.as_chunks().0.iter().map(|four| u32::from_be_bytes(*four)).collect())
    }

    pub(super) fn binary(&self, tag: u32) -> Result<Option<&'a [u8]>, String> {
        let Some(value) = self.0.get(&tag) else { return Ok(None) };
        match value.data.get(..value.count) {
            Some(whole) if value.kind == BINARY => Ok(Some(whole)),
            _ => Err(format!("value {tag} is not binary")),
        }
    }
}

fn terminated_lossless(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.iter().position(|byte| *byte == 0)?;
    Some((&data[..end], &data[end + 1..]))
}

fn terminated(data: &[u8]) -> Option<(&str, &[u8])> {
    let (text, rest) = terminated_lossless(data)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}
