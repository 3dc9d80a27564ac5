//! Tar archives by hand, header fields and all, and compressed streams by hand.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use sha2::{Digest as _, Sha256};

use crate::image::Layer;
use crate::registry::sha256;

pub(super) const BLOCK: usize = 512;

/// One header block; the checksum is made at the end.
#[derive(Clone)]
pub(super) struct Head {
    block: [u8; BLOCK],
    bad_sum: bool,
}

impl Head {
    /// A ustar header of a regular file.
    pub(super) fn new(name: &str, size: u64) -> Self {
        let head = Self { block: [0; BLOCK], bad_sum: false };
        let head = head.at(0, name.as_bytes()).at(100, b"0000644\0").at(108, b"0000000\0").at(116, b"0000000\0");
        head.at(124, format!("{size:011o}\0").as_bytes()).at(136, b"00000000000\0").kind(b'0').at(257, b"ustar\x0000")
    }

    pub(super) fn kind(self, kind: u8) -> Self {
        self.at(156, &[kind])
    }

    pub(super) fn link(self, target: &str) -> Self {
        self.at(157, target.as_bytes())
    }

    pub(super) fn gnu(self) -> Self {
        self.at(257, b"ustar  \0")
    }

    /// A number in base 256: high bit set, big-endian.
    pub(super) fn binary(self, offset: usize, width: usize, value: i128) -> Self {
        let bytes = value.to_be_bytes();
        let mut field = bytes[16 - width..].to_vec();
        field[0] |= 0x80;
        self.at(offset, &field)
    }

    pub(super) fn bad_sum(mut self) -> Self {
        self.bad_sum = true;
        self
    }

    /// These bytes at this place of the header.
    pub(super) fn at(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.block[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn finish(mut self) -> [u8; BLOCK] {
        self.block[148..156].copy_from_slice(b"        ");
        let sum: u32 = self.block.iter().map(|b| u32::from(*b)).sum::<u32>() + u32::from(self.bad_sum);
        self.block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.block
    }
}

/// An archive that is being written.
#[derive(Clone, Default)]
pub(super) struct Tar(pub(super) Vec<u8>);

impl Tar {
    pub(super) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        self.entry(Head::new(name, content.len() as u64), content)
    }

    /// A header with this content, padded, whatever size the header states.
    pub(super) fn entry(mut self, head: Head, content: &[u8]) -> Self {
        self.0.extend(head.finish());
        self.0.extend(content);
        self.padded()
    }

    fn padded(mut self) -> Self {
        let whole = self.0.len().div_ceil(BLOCK) * BLOCK;
        self.0.resize(whole, 0);
        self
    }

    /// A pax header for the next entry.
    pub(super) fn pax(self, records: &[(&str, &str)]) -> Self {
        self.extension(b'x', records.iter().map(|(key, value)| record(key, value)).collect::<String>().as_bytes())
    }

    pub(super) fn extension(self, kind: u8, content: &[u8]) -> Self {
        let name = if matches!(kind, b'L' | b'K') { "././@LongLink" } else { "pax" };
        self.entry(Head::new(name, content.len() as u64).kind(kind), content)
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// With the two zero blocks.
    pub(super) fn end(self) -> Vec<u8> {
        self.raw(&[0; 2 * BLOCK]).0
    }
}

/// `LENGTH KEY=VALUE\n`, its own length counted.
pub(super) fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    gzip_at(bytes, Compression::fast())
}

/// At the best ratio there is, about 1,000.
pub(super) fn tightly(bytes: &[u8]) -> Vec<u8> {
    gzip_at(bytes, Compression::best())
}

fn gzip_at(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    let written = encoder.write_all(bytes);
    debug_assert!(written.is_ok());
    encoder.finish().unwrap_or_default()
}

/// `size` zeros behind `head`, compressed without holding them.
pub(super) fn gzip_of_zeros(head: &[u8], size: u64) -> Layer {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let mut hash = Sha256::new();
    let mut write = |bytes: &[u8]| {
        hash.update(bytes);
        let written = encoder.write_all(bytes);
        debug_assert!(written.is_ok());
    };
    write(head);
    let zeros = vec![0; 1 << 20];
    let mut left = size;
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(zeros.len()).min(zeros.len());
        write(&zeros[..piece]);
        left -= piece as u64;
    }
    let bytes = encoder.finish().unwrap_or_default();
    stored(bytes, format!("sha256:{}", hex::encode(hash.finalize())), "+gzip")
}

/// A layer of these stored bytes that claims this digest for what is inside.
pub(super) fn stored(bytes: Vec<u8>, diff_id: String, suffix: &str) -> Layer {
    let media_type = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
    Layer { digest: sha256(&bytes), bytes, diff_id, media_type }
}

/// A gzip layer of these stored bytes, whose content is `archive`.
pub(super) fn as_gzip(bytes: Vec<u8>, archive: &[u8]) -> Layer {
    stored(bytes, sha256(archive), "+gzip")
}
