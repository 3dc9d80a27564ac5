//! What the headers of an executable say about where things are, in whatever format.

use std::ops::Range;

use crate::packages::executable::marks::Names;
use crate::packages::executable::store::Store;
use crate::packages::executable::{elf, macho, pe};

/// A part of the file that is loaded to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) address: u64,
    pub(super) offset: u64,
    /// Bytes in the file.
    pub(super) size: u64,
}

/// Headers, as far as they have been read.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// In the headers' order: the first that has an address counts.
    pub(super) segments: Vec<Segment>,
    /// Addresses among which Go's linker puts the build information.
    pub(super) go: Option<Range<u64>>,
    /// Where cargo-auditable's section lies in the file.
    pub(super) audit: Option<Range<u64>>,
    /// Ranges of the file that must be read to know more.
    pub(super) wants: Vec<Range<u64>>,
    /// Why the headers make no sense.
    pub(super) broken: Option<String>,
}

impl Layout {
    pub(super) fn broken(why: &str) -> Self {
        Self { broken: Some(why.to_owned()), ..Self::default() }
    }

    pub(super) fn wants(range: Range<u64>) -> Self {
        Self { wants: vec![range], ..Self::default() }
    }

    pub(super) fn address(&self, offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|s| {
            let inside = offset.checked_sub(s.offset).filter(|inside| *inside < s.size)?;
            s.address.checked_add(inside)
        })
    }

    pub(super) fn offset(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|s| {
            let inside = address.checked_sub(s.address).filter(|inside| *inside < s.size)?;
            s.offset.checked_add(inside)
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Elf,
    Pe,
    MachO,
}

impl Format {
    /// By the file's first bytes. `None` for a script, and for formats that Go's `debug/buildinfo` knows but no image
    /// holds (AIX, Plan 9).
    pub(super) fn of(first: &[u8]) -> Option<Self> {
        match first {
            [0x7f, b'E', b'L', b'F', ..] => Some(Self::Elf),
            [b'M', b'Z', ..] => Some(Self::Pe),
            [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] => Some(Self::MachO),
            // Java classes begin like this too; what follows there is no count of architectures.
            [0xca, 0xfe, 0xba, 0xbe | 0xbf, 0, 0, 0, 1..=18, ..] => Some(Self::MachO),
            _ => None,
        }
    }

    pub(super) fn layout(self, store: &Store, names: &Names) -> Layout {
        match self {
            Self::Elf => elf::layout(store, names),
            Self::Pe => pe::layout(store),
            Self::MachO => macho::layout(store),
        }
    }
}
