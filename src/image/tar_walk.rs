//! A strict, bounded walk over a tar stream (POSIX pax, GNU, ustar). Nothing is unpacked.
//!
//! Own code, because extension headers must be capped before they are read, and because the walk has to see what
//! container runtimes see: where readers differ (header-only types with a size, pax `size`), Go's `archive/tar` decides,
//! since containerd and Docker extract with it. The fields of a block are decoded by the `tar` crate.

use std::io::{self, BufRead, Read};

use tar::{EntryType, Header};

use crate::image::layer::Fault;
use crate::image::limits::{MAX_LONG_NAMES, MAX_PATH_BYTES, MAX_PAX_BYTES};

const BLOCK: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// A file with holes; its logical content is not materialised.
    Sparse,
    Directory,
    Symlink,
    Hardlink,
    /// Device, FIFO, or unknown.
    Other,
}

#[derive(Debug)]
pub(super) struct Entry {
    /// Raw, as in the header: not normalised.
    pub(super) path: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) kind: Kind,
    /// Stored bytes of content.
    pub(super) size: u64,
    pub(super) executable: bool,
}

pub(super) struct TarWalk<R> {
    reader: R,
    /// Content of the current entry not read yet, and the padding behind it.
    remaining: u64,
    padding: u64,
    /// Bytes consumed so far: where the next header, or the content after `next`, lies.
    offset: u64,
}

/// What extension headers say about the entry that follows.
#[derive(Default)]
struct Extensions {
    pax: bool,
    /// The pax header names the entry or its target.
    pax_names: bool,
    /// GNU long names and links so far.
    long: usize,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl<R: BufRead> TarWalk<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, remaining: 0, padding: 0, offset: 0 }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn into_inner(self) -> R {
        self.reader
    }

    /// The next entry; its content can then be read from `self`. `None` at the end of the archive.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Fault> {
        let mut extensions = Extensions::default();
        loop {
            self.skip()?;
            let Some(block) = self.block()? else { return extensions.unused().map(|()| None) };
            if block.iter().all(|b| *b == 0) {
                extensions.unused()?;
                return self.end();
            }
            let header = Header::from_byte_slice(&block);
            check_sum(header, &block)?;
            let size = header.entry_size().map_err(|_| malformed("size is no number"))?;
            match header.entry_type() {
                EntryType::XHeader => {
                    extensions.begin_pax()?;
                    pax(&self.extension(size)?, &mut extensions)?;
                }
                EntryType::XGlobalHeader => global(&self.extension(size)?)?,
                EntryType::GNULongName => {
                    extensions.begin_long()?;
                    extensions.path = Some(long_name(self.extension(size)?));
                }
                EntryType::GNULongLink => {
                    extensions.begin_long()?;
                    extensions.link = Some(long_name(self.extension(size)?));
                }
                kind => {
                    extensions.agree()?;
                    return self.entry(header, kind, size, extensions).map(Some);
                }
            }
        }
    }

    fn entry(&mut self, header: &Header, kind: EntryType, size: u64, ext: Extensions) -> Result<Entry, Fault> {
        let mut size = ext.size.unwrap_or(size);
        let path = ext.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let link = ext.link.unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned());
        if path.len() > MAX_PATH_BYTES || link.len() > MAX_PATH_BYTES {
            return Err(Fault::Limit { what: "bytes of a path", max: MAX_PATH_BYTES as u64 });
        }
        let kind = match kind {
            EntryType::GNUSparse => {
                self.sparse_headers(header)?;
                Kind::Sparse
            }
            EntryType::Regular | EntryType::Continuous if ext.sparse => Kind::Sparse,
            // Version 7 archives mark folders by a trailing slash.
            EntryType::Regular if header.as_bytes()[156] == 0 && path.ends_with(b"/") => Kind::Directory,
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink,
            EntryType::Link => Kind::Hardlink,
            _ => Kind::Other,
        };
        let header_only = matches!(kind, Kind::Directory | Kind::Symlink | Kind::Hardlink)
            || matches!(header.entry_type(), EntryType::Char | EntryType::Block | EntryType::Fifo);
        if header_only {
            size = 0;
        }
        self.expect(size);
        let executable = header.mode().is_ok_and(|mode| mode & 0o111 != 0);
        Ok(Entry { path, link, kind, size, executable })
    }

    /// Old GNU sparse files continue their map in further blocks before the content.
    fn sparse_headers(&mut self, header: &Header) -> Result<(), Fault> {
        let mut extended = header.as_gnu().is_some_and(tar::GnuHeader::is_extended);
        let mut blocks = 0_u64;
        while extended {
            let block = self.block()?.ok_or_else(|| malformed("ends within a sparse map"))?;
            extended = block[504] != 0;
            blocks += 1;
            if blocks * BLOCK as u64 > MAX_PAX_BYTES {
                return Err(Fault::Limit { what: "bytes of a sparse map", max: MAX_PAX_BYTES });
            }
        }
        Ok(())
    }

    fn expect(&mut self, size: u64) {
        self.remaining = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>, Fault> {
        if size > MAX_PAX_BYTES {
            return Err(Fault::Limit { what: "bytes of an extension header", max: MAX_PAX_BYTES });
        }
        self.expect(size);
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// A whole block; `None` at a clean end of file.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, Fault> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.reader.read(&mut block[filled..])? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(malformed("ends within a header")),
                n => filled += n,
            }
        }
        self.offset += BLOCK as u64;
        Ok(Some(block))
    }

    /// After one zero block there must be another: what follows a lone one, some readers see and some do not.
    fn end(&mut self) -> Result<Option<Entry>, Fault> {
        match self.block()? {
            Some(block) if block.iter().any(|b| *b != 0) => Err(malformed("content behind a lone zero block")),
            _ => Ok(None),
        }
    }

    fn skip(&mut self) -> Result<(), Fault> {
        let content = std::mem::take(&mut self.remaining);
        if self.pass(content)? != content {
            return Err(malformed("ends within a file"));
        }
        let padding = std::mem::take(&mut self.padding);
        // Some writers leave the last padding out.
        self.pass(padding)?;
        Ok(())
    }

    /// Lets up to `wanted` bytes go by; fewer at the end of the stream.
    fn pass(&mut self, wanted: u64) -> Result<u64, Fault> {
        let mut passed = 0;
        while passed < wanted {
            let there = self.reader.fill_buf()?.len();
            if there == 0 {
                break;
            }
            let n = usize::try_from(wanted - passed).unwrap_or(usize::MAX).min(there);
            self.reader.consume(n);
            passed += n as u64;
        }
        self.offset += passed;
        Ok(passed)
    }
}

/// Content of the current entry.
impl<R: BufRead> Read for TarWalk<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(buf.len());
        if want == 0 {
            return Ok(0);
        }
        let n = self.reader.read(&mut buf[..want])?;
        if n == 0 {
            return Err(io::Error::other(malformed("ends within a file")));
        }
        self.remaining -= n as u64;
        self.offset += n as u64;
        Ok(n)
    }
}

fn malformed(why: &str) -> Fault {
    Fault::Malformed { why: format!("tar: {why}") }
}

fn check_sum(header: &Header, block: &[u8; BLOCK]) -> Result<(), Fault> {
    let stated = header.cksum().map_err(|_| malformed("checksum is no number"))?;
    let byte = |(i, b): (usize, &u8)| if (148..156).contains(&i) { u32::from(b' ') } else { u32::from(*b) };
    let sum: u32 = block.iter().enumerate().map(byte).sum();
    if sum == stated { Ok(()) } else { Err(malformed("header checksum does not match")) }
}

impl Extensions {
    /// Of two pax headers some readers believe the first, some the last, and some merge them; no writer makes two.
    fn begin_pax(&mut self) -> Result<(), Fault> {
        if self.pax {
            return Err(malformed("two pax headers for one entry"));
        }
        self.pax = true;
        Ok(())
    }

    /// Of several long names every reader believes the last.
    fn begin_long(&mut self) -> Result<(), Fault> {
        self.long += 1;
        if self.long > MAX_LONG_NAMES {
            return Err(Fault::Limit { what: "long names for one entry", max: MAX_LONG_NAMES as u64 });
        }
        Ok(())
    }

    /// Go believes the GNU name, others the pax one.
    fn agree(&self) -> Result<(), Fault> {
        if self.pax_names && self.long > 0 { Err(malformed("pax and GNU names for one entry")) } else { Ok(()) }
    }

    /// At the end of the archive nothing may be left waiting for its entry.
    fn unused(&self) -> Result<(), Fault> {
        if self.pax || self.long > 0 { Err(malformed("ends behind an extension header")) } else { Ok(()) }
    }
}

fn long_name(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|b| *b == 0) {
        bytes.truncate(end);
    }
    bytes
}

/// Key and value.
type Record<'a> = (&'a [u8], &'a [u8]);

/// `LENGTH KEY=VALUE\n`, over and over; anything else is an error, because a skipped record is a hidden file.
fn records(mut bytes: &[u8]) -> Result<Vec<Record<'_>>, Fault> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let bad = || malformed("extension header is not LENGTH KEY=VALUE");
        let space = bytes.iter().position(|b| *b == b' ').ok_or_else(bad)?;
        let digits = std::str::from_utf8(&bytes[..space]).map_err(|_| bad())?;
        let length: usize = digits.parse().map_err(|_| bad())?;
        if length <= space + 1 || length > bytes.len() || bytes[length - 1] != b'\n' {
            return Err(bad());
        }
        let record = &bytes[space + 1..length - 1];
        let equals = record.iter().position(|b| *b == b'=').ok_or_else(bad)?;
        found.push((&record[..equals], &record[equals + 1..]));
        bytes = &bytes[length..];
    }
    Ok(found)
}

fn pax(bytes: &[u8], extensions: &mut Extensions) -> Result<(), Fault> {
    for (key, value) in records(bytes)? {
        if matches!(key, b"path" | b"linkpath" | b"GNU.sparse.name") && value.contains(&0) {
            return Err(malformed("NUL in a path"));
        }
        extensions.pax_names |= matches!(key, b"path" | b"linkpath" | b"GNU.sparse.name");
        match key {
            // A sparse file's true name wins over the placeholder in `path`.
            b"path" if extensions.sparse && extensions.path.is_some() => {}
            b"path" | b"GNU.sparse.name" => extensions.path = Some(value.to_vec()),
            b"linkpath" => extensions.link = Some(value.to_vec()),
            b"size" => {
                let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                extensions.size = Some(number.ok_or_else(|| malformed("pax size is no number"))?);
            }
            _ => {}
        }
        extensions.sparse |= key.starts_with(b"GNU.sparse.");
    }
    Ok(())
}

/// Global headers carry comments. One that changes names or sizes is read differently by different tools.
fn global(bytes: &[u8]) -> Result<(), Fault> {
    let changes = |key: &[u8]| matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.");
    if records(bytes)?.iter().any(|(key, _)| changes(key)) {
        return Err(malformed("global header sets names or sizes"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "tar_walk_tests.rs"]
mod tests;
