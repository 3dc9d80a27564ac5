//! One file of a layer while it streams past: its size, its bytes once and in order, and how much of it may be kept.
//!
//! A parser of small files takes them whole ([`Content::read_all`]). One of executables or big archives reads
//! ([`std::io::Read`]) and charges what it keeps to [`Content::memory`]; both bounds depend on the file alone, never on
//! what else is being read, so that the same file always gives the same result. A failure of the stream itself (a
//! truncated layer) looks like the end of the file to a parser and is remembered for the layer's reader.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// A file's content. What the parser leaves unread is skipped by the layer's reader.
pub struct Content<'a> {
    reader: &'a mut dyn Read,
    size: u64,
    memory: Memory,
    failure: Option<io::Error>,
}

/// What a parser may hold at once; clones share one account.
#[derive(Debug, Clone)]
pub struct Memory(Rc<Cell<u64>>);

/// A part of [`Memory`] in use; given back when dropped.
#[derive(Debug)]
pub struct Held {
    memory: Memory,
    bytes: u64,
}

impl std::fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("size", &self.size).finish_non_exhaustive()
    }
}

impl<'a> Content<'a> {
    /// `size` bytes follow in `reader`; a parser may keep `memory` bytes of them, or of what they unpack to.
    pub fn new(reader: &'a mut dyn Read, size: u64, memory: u64) -> Self {
        Self { reader, size, memory: Memory(Rc::new(Cell::new(memory))), failure: None }
    }

    /// Bytes of the whole file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    #[must_use]
    pub fn memory(&self) -> Memory {
        self.memory.clone()
    }

    /// The whole file, or `None` if it is larger than `max`. After a failure of the stream the bytes are cut short;
    /// nothing made from them is used.
    pub fn read_all(&mut self, max: u64) -> Option<Vec<u8>> {
        if self.size > max {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).ok()?);
        // Failures are kept in `self`, so this cannot fail.
        let _ = self.read_to_end(&mut bytes);
        Some(bytes)
    }

    /// How the stream failed, if it did: then whatever a parser made of this content must be thrown away.
    pub fn finish(self) -> io::Result<()> {
        self.failure.map_or(Ok(()), Err)
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.failure.is_some() {
            return Ok(0);
        }
        match self.reader.read(buf) {
            Ok(n) => Ok(n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            Err(e) => {
                self.failure = Some(e);
                Ok(0)
            }
        }
    }
}

impl Memory {
    /// Room for `bytes` more, or `None`: a limit of ours, to be said in `Parsed::limits`.
    #[must_use]
    pub fn hold(&self, bytes: u64) -> Option<Held> {
        self.0.set(self.0.get().checked_sub(bytes)?);
        Some(Held { memory: self.clone(), bytes })
    }

    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.get()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let account = &self.memory.0;
        account.set(account.get() + self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let mut bytes = &b"abc"[..];
        let content = Content::new(&mut bytes, 3, 10);
        let memory = content.memory();
        let held = memory.hold(8).unwrap();
        assert!(memory.hold(3).is_none());
        assert_eq!(memory.left(), 2);
        drop(held);
        assert!(memory.hold(10).is_some());
    }

    #[test]
    fn a_file_is_taken_whole_or_not_at_all() {
        assert_eq!(Content::new(&mut &b"abc"[..], 3, 0).read_all(3).as_deref(), Some(&b"abc"[..]));
        assert_eq!(Content::new(&mut &b"abc"[..], 3, 0).read_all(2), None);
    }

    #[test]
    fn a_broken_stream_ends_for_the_parser_and_is_not_forgotten() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("cut"))
            }
        }
        let mut reader = (&b"ab"[..]).chain(Broken);
        let mut content = Content::new(&mut reader, 5, 0);
        assert_eq!(content.read_all(5).as_deref(), Some(&b"ab"[..]));
        assert_eq!(content.finish().unwrap_err().to_string(), "cut");
    }
}
