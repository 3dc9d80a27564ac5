//! Pieces of a file that streams past, kept because somebody asked for them in time.

use std::ops::Range;

/// Most bytes of headers that are kept of one executable. Large ones have a few kilobytes.
pub(super) const MAX_HEADER_BYTES: u64 = 1024 * 1024;
/// Most ranges kept of one executable; the formats need five.
const MAX_RANGES: usize = 8;

/// Ranges of the file, each filled as far as the stream has come.
#[derive(Debug, Default)]
pub(super) struct Store {
    kept: Vec<Kept>,
}

#[derive(Debug)]
struct Kept {
    range: Range<u64>,
    bytes: Vec<u8>,
}

impl Kept {
    /// Takes what comes next, if it is in `piece`, which lies at `offset` in the file.
    fn feed(&mut self, offset: u64, piece: &[u8]) {
        let next = self.range.start + self.bytes.len() as u64;
        let Some(skip) = next.checked_sub(offset).and_then(|n| usize::try_from(n).ok()) else { return };
        let missing = usize::try_from(self.range.end.saturating_sub(next)).unwrap_or(usize::MAX);
        if let Some(rest) = piece.get(skip..) {
            self.bytes.extend_from_slice(&rest[..rest.len().min(missing)]);
        }
    }
}

impl Store {
    /// Everything asked for, from the piece of the file at `offset`. Pieces may overlap, but leave no gaps.
    pub(super) fn feed(&mut self, offset: u64, piece: &[u8]) {
        for kept in &mut self.kept {
            kept.feed(offset, piece);
        }
    }

    /// Begins to keep `range`, whose start is in this piece or still to come. `false` if it has gone by, is longer than
    /// headers are, or one of too many.
    pub(super) fn keep(&mut self, range: Range<u64>, offset: u64, piece: &[u8]) -> bool {
        if self.kept.iter().any(|kept| kept.range == range) {
            return false;
        }
        let length = range.end.saturating_sub(range.start);
        if range.start < offset || length == 0 || length > MAX_HEADER_BYTES || self.kept.len() >= MAX_RANGES {
            return false;
        }
        let mut kept = Kept { range, bytes: Vec::new() };
        kept.feed(offset, piece);
        self.kept.push(kept);
        true
    }

    /// The bytes of `range`, if all of them are there.
    pub(super) fn get(&self, range: &Range<u64>) -> Option<&[u8]> {
        self.kept.iter().find_map(|kept| {
            let start = usize::try_from(range.start.checked_sub(kept.range.start)?).ok()?;
            let length = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
            kept.bytes.get(start..start.checked_add(length)?)
        })
    }
}

/// Numbers in a header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) little: bool,
}

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    pub(super) fn u16(&self, at: usize) -> Option<u16> {
        let bytes = self.array(at)?;
        Some(if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    pub(super) fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.array(at)?;
        Some(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    pub(super) fn u64(&self, at: usize) -> Option<u64> {
        let bytes = self.array(at)?;
        Some(if self.little { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) })
    }

    /// An address or size: eight bytes if `wide`, else four.
    pub(super) fn word(&self, at: usize, wide: bool) -> Option<u64> {
        if wide { self.u64(at) } else { self.u32(at).map(u64::from) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_kept_from_the_piece_it_was_asked_in() {
        let mut store = Store::default();
        assert!(store.keep(2..6, 0, b"0123"));
        assert!(store.keep(3..5, 0, b"0123"));
        assert_eq!(store.get(&(2..4)), Some(&b"23"[..]));
        assert_eq!(store.get(&(2..5)), None);
        store.feed(2, b"234567");
        assert_eq!(store.get(&(2..6)), Some(&b"2345"[..]));
        assert_eq!(store.get(&(1..3)), None);
        assert!(!store.keep(1..3, 2, b"234567"), "it has gone by");
        assert!(!store.keep(9..9 + MAX_HEADER_BYTES + 1, 2, b""), "too long");
    }
}
