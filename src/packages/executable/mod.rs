//! Executables that list what they were built from: Go's build information, cargo-auditable's section.
//!
//! Streamed: a program may have hundreds of megabytes, of which a few kilobytes matter, and those may lie before the
//! headers that tell where they are. `marks` keeps what may be it, `store` keeps headers, `elf`, `pe` and `macho`
//! read them, and `find` takes what Go's `debug/buildinfo` and `rust-audit-info` would have taken. A mark in the right
//! place that cannot be read is said aloud; marks elsewhere (a program that looks for marks contains them) are nothing.

mod elf;
mod find;
mod layout;
mod macho;
mod marks;
mod pe;
mod store;

use std::io::{self, Read};

use crate::packages::executable::layout::{Format, Layout};
use crate::packages::executable::marks::{AHEAD, Marks};
use crate::packages::executable::store::Store;
use crate::packages::{Parsed, go_binary};

/// Read at once. Marks are searched per piece, so small ones would cost more.
const PIECE_BYTES: usize = 128 * 1024;

/// What the executable at `path` lists. `None` for one that lists nothing, or is none (a script). The only error is
/// that of `reader`.
pub fn read(path: &str, reader: &mut dyn Read) -> io::Result<Option<Parsed>> {
    let mut piece = vec![0; PIECE_BYTES];
    let (mut filled, mut last) = marks::fill(reader, &mut piece, 0)?;
    let Some(format) = Format::of(&piece[..filled]) else { return Ok(None) };
    let mut file = File { format, offset: 0, store: Store::default(), marks: Marks::default(), settled: false };
    loop {
        file.look(&piece[..filled], last);
        if last {
            return Ok(file.found(path));
        }
        let kept = filled.min(AHEAD);
        piece.copy_within(filled - kept..filled, 0);
        file.offset += (filled - kept) as u64;
        (filled, last) = marks::fill(reader, &mut piece, kept)?;
    }
}

/// A file as far as it went by.
struct File {
    format: Format,
    /// Where the current piece lies in the file.
    offset: u64,
    store: Store,
    marks: Marks,
    /// All headers are there.
    settled: bool,
}

impl File {
    fn look(&mut self, piece: &[u8], last: bool) {
        self.store.feed(self.offset, piece);
        self.want(piece);
        self.marks.look(self.offset, piece, last, go_binary::wanted);
        // Build information of old Go points to places in the file that are still to come.
        if let Some(blob) = self.marks.blobs.first().filter(|blob| go_binary::is_old(&blob.bytes)) {
            let layout = self.layout();
            for range in find::old_strings(&layout, &blob.bytes) {
                self.store.keep(range, self.offset, piece);
            }
        }
    }

    /// Asks for headers as soon as it is known where they are.
    fn want(&mut self, piece: &[u8]) {
        while !self.settled {
            let wants = self.layout().wants;
            self.settled = wants.is_empty();
            let mut news = false;
            for range in wants {
                news |= self.store.keep(range, self.offset, piece);
            }
            if !news {
                return;
            }
        }
    }

    fn layout(&self) -> Layout {
        self.format.layout(&self.store, &self.marks.names)
    }

    fn found(&self, path: &str) -> Option<Parsed> {
        let layout = self.layout();
        let mut all = Parsed::default();
        let mut any = false;
        let parts = [find::go(path, &layout, &self.marks, &self.store), find::audit(path, &layout, &self.marks)];
        for part in parts.into_iter().flatten() {
            any = true;
            all.packages.extend(part.packages);
            all.unreadable.extend(part.unreadable);
            all.limits.extend(part.limits);
            all.failed = all.failed.or(part.failed);
        }
        any.then_some(all)
    }
}

#[cfg(test)]
#[path = "executable_tests.rs"]
mod tests;
