//! Bytes of a zip archive, once and in order: looked ahead a little, counted, hashed; what they unpack to is bounded.

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use flate2::Crc;

/// Held of each archive inside the other.
const BUFFER: usize = 32 * 1024;
/// Unpacked bytes of one file of the image, over all archives inside it. The largest known has 600 MiB.
pub const MAX_UNPACKED_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Packed content never holds this many times its size; a bomb does.
pub const MAX_RATIO: u64 = 100;
/// The ratio counts only after this many unpacked bytes.
pub const RATIO_FREE_BYTES: u64 = 16 * 1024 * 1024;
/// What may be held in memory of one file of the image: names, places and packages. 2,000 libraries take half a megabyte.
pub const MAX_HELD_BYTES: u64 = 16 * 1024 * 1024;
/// A descriptor behind an entry: signature, checksum, two sizes of eight bytes.
const DESCRIPTOR: usize = 24;
/// The same without its signature, before the next header.
const BEHIND: usize = 20;

/// Why an archive cannot be read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    Corrupt(String),
    Limit(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// What one file of the image may unpack to, counted over all archives inside it.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    /// Bytes of the file itself.
    size: u64,
    unpacked: Rc<Cell<u64>>,
    held: Rc<Cell<u64>>,
    spent: Rc<RefCell<Option<String>>>,
}

impl Budget {
    pub(super) fn new(size: u64) -> Self {
        Self { size, unpacked: Rc::default(), held: Rc::default(), spent: Rc::default() }
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        let total = self.unpacked.get() + bytes as u64;
        self.unpacked.set(total);
        let why = if total > MAX_UNPACKED_BYTES {
            format!("unpacks to more than {MAX_UNPACKED_BYTES} bytes")
        } else if total > RATIO_FREE_BYTES && total / MAX_RATIO > self.size {
            format!("unpacks to more than {MAX_RATIO} times its size")
        } else {
            return Ok(());
        };
        *self.spent.borrow_mut() = Some(why.clone());
        Err(io::Error::other(why))
    }

    /// Charges `bytes` that are kept in memory until the file is read.
    pub(super) fn hold(&self, bytes: usize) -> Result<(), Trouble> {
        let total = self.held.get() + bytes as u64;
        self.held.set(total);
        if total <= MAX_HELD_BYTES {
            return Ok(());
        }
        let why = format!("names and descriptions of more than {MAX_HELD_BYTES} bytes");
        *self.spent.borrow_mut() = Some(why.clone());
        Err(Trouble::Limit(why))
    }

    /// The limit that was hit, if one was: then nothing more can be read.
    pub(super) fn spent(&self) -> Option<String> {
        self.spent.borrow().clone()
    }
}

/// Content of an entry: counted and summed up while it is read.
pub(super) struct Checked<'a> {
    inner: &'a mut dyn Read,
    budget: &'a Budget,
    crc: Crc,
    failed: Option<String>,
}

impl<'a> Checked<'a> {
    pub(super) fn new(inner: &'a mut dyn Read, budget: &'a Budget) -> Self {
        Self { inner, budget, crc: Crc::new(), failed: None }
    }

    /// Reads what the reader left, and gives the checksum of everything.
    pub(super) fn finish(mut self) -> Result<u32, Trouble> {
        let mut scratch = [0; 8192];
        while self.failed.is_none() && self.read(&mut scratch).is_ok_and(|n| n > 0) {}
        match (self.budget.spent(), self.failed) {
            (Some(why), _) => Err(Trouble::Limit(why)),
            (None, Some(why)) => Err(Trouble::Corrupt(why)),
            (None, None) => Ok(self.crc.sum()),
        }
    }
}

impl Read for Checked<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf).and_then(|n| {
            self.budget.take(n)?;
            Ok(n)
        });
        match read {
            Ok(n) => {
                self.crc.update(&buf[..n]);
                Ok(n)
            }
            Err(e) => {
                self.failed = Some(e.to_string());
                Err(e)
            }
        }
    }
}

/// The archive's bytes.
pub(super) struct Stream<'a> {
    inner: &'a mut dyn Read,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    position: u64,
    sha1: Context,
    ended: bool,
}

impl<'a> Stream<'a> {
    pub(super) fn new(inner: &'a mut dyn Read) -> Self {
        let sha1 = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        Self { inner, buffer: vec![0; BUFFER], start: 0, end: 0, position: 0, sha1, ended: false }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Of everything read so far, in hex.
    pub(super) fn sha1(&self) -> String {
        hex::encode(self.sha1.clone().finish())
    }

    /// At least `count` bytes ahead, unless the archive ends before.
    fn ahead(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.end - self.start < count && !self.ended {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            while self.end < count && !self.ended {
                match self.inner.read(&mut self.buffer[self.end..]) {
                    Ok(0) => self.ended = true,
                    Ok(n) => self.end += n,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Goes to the next `PK` with two more bytes behind it; `false` at the end.
    pub(super) fn seek_signature(&mut self) -> Result<bool, Trouble> {
        loop {
            let ahead = self.ahead(4)?;
            if ahead.len() < 4 {
                let rest = ahead.len();
                self.consume(rest);
                return Ok(false);
            }
            match memchr::memmem::find(ahead, b"PK") {
                Some(0) => return Ok(true),
                Some(at) => self.consume(at),
                None => {
                    let most = ahead.len() - 1;
                    self.consume(most);
                }
            }
        }
    }

    /// The next bytes, which stay.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Trouble> {
        let ahead = self.ahead(N)?;
        let bytes = ahead.first_chunk().ok_or_else(cut)?;
        Ok(*bytes)
    }

    pub(super) fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Trouble> {
        let bytes = self.array()?;
        self.consume(N);
        Ok(bytes)
    }

    pub(super) fn text(&mut self, count: u64) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        self.by_ref().take(count).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == count { Ok(bytes) } else { Err(cut()) }
    }

    pub(super) fn skip(&mut self, mut count: u64) -> Result<(), Trouble> {
        while count > 0 {
            let there = self.fill_buf()?.len();
            if there == 0 {
                return Err(cut());
            }
            let step = usize::try_from(count).unwrap_or(usize::MAX).min(there);
            self.consume(step);
            count -= step as u64;
        }
        Ok(())
    }

    /// Behind an entry whose sizes follow its content.
    pub(super) fn skip_to_descriptor(&mut self) -> Result<(), Trouble> {
        let mut content = UntilDescriptor::new(self);
        let mut scratch = vec![0; BUFFER];
        while content.read(&mut scratch)? > 0 {}
        Ok(())
    }
}

/// Stored content whose sizes follow: to the descriptor that counts exactly what has passed, and behind it.
pub(super) struct UntilDescriptor<'s, 'a> {
    stream: &'s mut Stream<'a>,
    begin: u64,
    /// Where the content ends, and where the next header is to be looked for.
    end: Option<(u64, u64)>,
}

impl<'s, 'a> UntilDescriptor<'s, 'a> {
    pub(super) fn new(stream: &'s mut Stream<'a>) -> Self {
        let begin = stream.position;
        Self { stream, begin, end: None }
    }

    /// How many bytes ahead are content for sure.
    fn sure(&mut self) -> io::Result<usize> {
        if self.end.is_none() {
            let passed = self.stream.position - self.begin;
            let length = self.stream.ahead(BUFFER)?.len();
            let ended = self.stream.ended;
            let ahead = &self.stream.buffer[self.stream.start..self.stream.end];
            let found = memchr::memmem::find_iter(ahead, b"PK").find_map(|at| {
                let whole = ended || at + DESCRIPTOR <= length;
                if whole { descriptor(ahead, at, passed + at as u64) } else { None }
            });
            let here = self.stream.position;
            self.end = found.map(|(end, next)| (here + end as u64, here + next as u64));
            if self.end.is_none() {
                let sure = length.saturating_sub(DESCRIPTOR + BEHIND);
                let unending = || io::Error::new(io::ErrorKind::InvalidData, "an entry does not end");
                return if ended { Err(unending()) } else { Ok(sure) };
            }
        }
        let (end, next) = self.end.unwrap_or_default();
        let left = end.saturating_sub(self.stream.position);
        if left == 0 {
            let behind = next.saturating_sub(self.stream.position);
            self.stream.consume(usize::try_from(behind).unwrap_or(0));
        }
        Ok(usize::try_from(left).unwrap_or(usize::MAX))
    }
}

impl Read for UntilDescriptor<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = self.sure()?.min(buf.len());
        if most == 0 {
            return Ok(0);
        }
        self.stream.read(&mut buf[..most])
    }
}

/// Does content of `length` bytes end at `at`, or a little before? Then where, and where the next header is to be looked
/// for.
fn descriptor(bytes: &[u8], at: usize, length: u64) -> Option<(usize, usize)> {
    let narrow = |at: usize| bytes.get(at..at + 4).map(|b| u64::from(u32_at(b, 0)));
    let wide = |at: usize| bytes.get(at..at + 8).map(|b| u64_at(b, 0));
    match bytes.get(at..at + 4)? {
        b"PK\x07\x08" if narrow(at + 8)? == length => Some((at, at + 16)),
        b"PK\x07\x08" if wide(at + 8)? == length => Some((at, at + 24)),
        b"PK\x03\x04" | b"PK\x01\x02" if at >= 12 && narrow(at - 8)?.checked_add(12)? == length => Some((at - 12, at)),
        b"PK\x03\x04" | b"PK\x01\x02" if at >= BEHIND && wide(at - 16)?.checked_add(20)? == length => {
            Some((at - 20, at))
        }
        _ => None,
    }
}

fn cut() -> Trouble {
    Trouble::Corrupt("it is cut short".to_owned())
}

impl Read for Stream<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let there = self.fill_buf()?;
        let n = there.len().min(buf.len());
        buf[..n].copy_from_slice(&there[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Stream<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.ahead(1)
    }

    fn consume(&mut self, count: usize) {
        let end = (self.start + count).min(self.end);
        self.sha1.update(&self.buffer[self.start..end]);
        self.position += (end - self.start) as u64;
        self.start = end;
    }
}

/// The number at `at`; the caller has taken care that it is there.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |b| u16::from_le_bytes(*b))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |b| u32::from_le_bytes(*b))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |b| u64::from_le_bytes(*b))
}
