//! Executables that list what they were built from: Go's build information, cargo-auditable's section.
//!
//! Streamed: an executable may have hundreds of megabytes, of which a few kilobytes matter.

use std::io::Read;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::packages::candidate::Unsupported;
use crate::packages::{Content, Extract};

/// Go's build information and cargo-auditable's section name, anywhere in an ELF file.
static MARKS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?-u)(?P<go>\xff Go buildinf:)|(?P<rust>\.dep-v0\x00)").ok());
/// Longest of the two marks, less one: what two pieces must share.
const MARK_OVERLAP: usize = 15;

/// `None` for an executable that lists nothing.
#[must_use]
pub fn read(_path: &str, content: &mut Content<'_>) -> Option<Extract> {
    let kind = kind(content)?;
    Some(Extract { unsupported: Some(kind), ..Extract::default() })
}

/// Looks through the whole file, piece by piece.
fn kind(content: &mut Content<'_>) -> Option<Unsupported> {
    let marks = MARKS.as_ref()?;
    let mut piece = vec![0; 64 * 1024];
    let mut kept = 0;
    let mut first = true;
    loop {
        let n = content.read(piece.get_mut(kept..)?).ok()?;
        let filled = kept + n;
        if n == 0 || (first && filled >= 4 && !piece.starts_with(b"\x7fELF")) {
            return None;
        }
        first = first && filled < 4;
        if let Some(found) = marks.captures(piece.get(..filled)?) {
            return Some(if found.name("go").is_some() { Unsupported::GoBinary } else { Unsupported::RustBinary });
        }
        kept = filled.min(MARK_OVERLAP);
        piece.copy_within(filled - kept..filled, 0);
    }
}
