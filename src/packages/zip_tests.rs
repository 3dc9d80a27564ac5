use std::io::Write as _;

use super::*;

/// How one entry is written.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::packages) enum How {
    Stored,
    Deflated,
    /// Sizes behind the content, with a signature.
    Follow,
    /// The same without a signature.
    FollowBare,
    StoredFollow,
}

/// Writes archives by hand, so that they can be wrong in one place.
#[derive(Default, Clone)]
pub(in crate::packages) struct Writer {
    pub(in crate::packages) bytes: Vec<u8>,
    pub(in crate::packages) directory: Vec<u8>,
    pub(in crate::packages) count: u16,
}

pub(in crate::packages) fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn number(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap().to_le_bytes()
}

fn short(value: usize) -> [u8; 2] {
    u16::try_from(value).unwrap().to_le_bytes()
}

impl Writer {
    pub(in crate::packages) fn add(&mut self, name: &str, content: &[u8], how: How) -> &mut Self {
        let packed = if matches!(how, How::Stored | How::StoredFollow) { content.to_vec() } else { deflate(content) };
        let mut crc = flate2::Crc::new();
        crc.update(content);
        self.raw(name, &packed, content.len(), crc.sum(), how)
    }

    pub(in crate::packages) fn raw(&mut self, name: &str, packed: &[u8], size: usize, crc: u32, how: How) -> &mut Self {
        let follow = matches!(how, How::Follow | How::FollowBare | How::StoredFollow);
        let flags: u16 = if follow { 8 } else { 0 };
        let method: u16 = if matches!(how, How::Stored | How::StoredFollow) { 0 } else { 8 };
        let head = [20, 0, flags.to_le_bytes()[0], 0, method.to_le_bytes()[0], 0, 0, 0, 0, 0];
        let sums = [crc.to_le_bytes(), number(packed.len()), number(size)].concat();
        let at = self.bytes.len();
        let local = if follow { vec![0; 12] } else { sums.clone() };
        self.bytes.extend([LOCAL, &head[..], &local, &short(name.len()), &[0, 0], name.as_bytes(), packed].concat());
        if follow {
            let signature: &[u8] = if how == How::FollowBare { b"" } else { b"PK\x07\x08" };
            self.bytes.extend([signature, &sums].concat());
        }
        self.list(name, &head, &sums, at)
    }

    fn list(&mut self, name: &str, head: &[u8], sums: &[u8], at: usize) -> &mut Self {
        let entry = [&LISTED[..], &[20, 0], head, sums, &short(name.len()), &[0; 12], &number(at), name.as_bytes()];
        self.directory.extend(entry.concat());
        self.count += 1;
        self
    }

    pub(in crate::packages) fn end(&self) -> Vec<u8> {
        let count = self.count.to_le_bytes();
        let end = [END, &[0; 4][..], &count, &count, &number(self.directory.len()), &number(self.bytes.len()), &[0, 0]]
            .concat();
        [self.bytes.as_slice(), &self.directory, &end].concat()
    }
}

fn read(bytes: &[u8]) -> Result<Walked<Vec<u8>>, Trouble> {
    let budget = Budget::new(bytes.len() as u64);
    let whole = |_: &str, inner: &mut dyn Read| {
        let mut content = Vec::new();
        let _ = inner.read_to_end(&mut content);
        content
    };
    walk(&mut &*bytes, &budget, |name| name.ends_with(b"!"), whole)
}

fn found(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let walked = read(bytes).unwrap();
    assert_eq!(walked.missed, Vec::<String>::new());
    walked.found
}

#[test]
fn entries_that_matter_are_read_however_they_were_written() {
    let long = b"x".repeat(100_000);
    for before in [How::Stored, How::Deflated, How::Follow, How::FollowBare, How::StoredFollow] {
        for how in [How::Stored, How::Deflated, How::Follow, How::FollowBare, How::StoredFollow] {
            let mut writer = Writer::default();
            writer.add("other", &long, before).add("a!", b"content", how).add("b", b"", before).add("c!", b"", how);
            let expect = vec![("a!".to_owned(), b"content".to_vec()), ("c!".to_owned(), Vec::new())];
            assert_eq!(found(&writer.end()), expect);
        }
    }
}

#[test]
fn a_script_before_the_archive_and_bytes_behind_it_are_passed_over() {
    let mut writer = Writer::default();
    let archive = writer.add("a!", b"1", How::Deflated).end();
    let expect = vec![("a!".to_owned(), b"1".to_vec())];
    assert_eq!(found(&[b"#!/bin/sh\nPK exec java\n", archive.as_slice()].concat()), expect);
    assert_eq!(found(&[archive.as_slice(), b"\n\n"].concat()), expect);
    let mut second = Writer::default();
    let second = second.add("b!", b"2", How::Stored).end();
    assert_eq!(found(&[archive, second].concat()), vec![("b!".to_owned(), b"2".to_vec())]);
    assert_eq!(found(&Writer::default().end()), Vec::new());
}

#[test]
fn what_the_directory_does_not_list_is_not_there() {
    let mut writer = Writer::default();
    writer.add("a!", b"1", How::Deflated);
    let (directory, count) = (writer.directory.clone(), writer.count);
    writer.add("hidden!", b"2", How::Deflated);
    (writer.directory, writer.count) = (directory, count);
    assert_eq!(found(&writer.end()), vec![("a!".to_owned(), b"1".to_vec())]);
}

#[test]
fn a_listed_entry_with_one_defect_is_missed_and_its_neighbours_are_read() {
    let good = {
        let mut writer = Writer::default();
        writer.add("a!", b"content", How::Deflated).add("z!", b"last", How::Stored);
        writer
    };
    let change = |what: &dyn Fn(&mut Writer)| {
        let mut writer = good.clone();
        what(&mut writer);
        writer.end()
    };
    let overlapping = change(&|w| {
        let first = w.directory[..48].to_vec();
        w.directory.extend(first);
        w.count += 1;
    });
    let mut lying = Writer::default();
    lying.add("cover", &good.bytes, How::Stored).add("z!", b"last", How::Stored);
    lying.directory = [&good.directory[..48], &lying.directory].concat();
    lying.directory[42..46].copy_from_slice(&35_u32.to_le_bytes());
    for (what, bytes, left) in [
        ("checksum of the directory", change(&|w| w.directory[16] ^= 1), 1),
        ("name of the directory", change(&|w| w.directory[46] = b'b'), 1),
        ("place", change(&|w| w.directory[42] = 7), 1),
        ("method", change(&|w| w.bytes[8] = 12), 1),
        ("encrypted", change(&|w| w.bytes[6] = 1), 1),
        ("corrupt content", change(&|w| w.bytes[34] ^= 0xff), 1),
        ("two entries in one place", overlapping, 2),
        ("an entry inside another", lying.end(), 1),
    ] {
        let walked = read(&bytes).unwrap();
        assert_eq!((walked.missed.len(), walked.found.len()), (1, left), "{what}: {:?}", walked.missed);
    }
}

#[test]
fn an_archive_without_its_directory_is_none() {
    let mut writer = Writer::default();
    let good = writer.add("a!", b"content", How::Deflated).end();
    let mut elsewhere = good.clone();
    let end = good.len();
    elsewhere[end - 6..end - 2].copy_from_slice(&0x7000_0000_u32.to_le_bytes());
    let mut two_ends = good.clone();
    let count = two_ends.len();
    two_ends[count - 2..].copy_from_slice(&22_u16.to_le_bytes());
    two_ends.extend(&good[count - 22..]);
    for (what, bytes) in [
        ("no end", good[..good.len() - 22].to_vec()),
        ("cut", good[..good.len() - 1].to_vec()),
        ("cut in an entry", good[..36].to_vec()),
        ("directory elsewhere", elsewhere),
        ("two ends", two_ends),
        ("no archive", b"no archive".to_vec()),
    ] {
        assert!(matches!(read(&bytes), Err(Trouble::Corrupt(_))), "{what}");
    }
}

#[test]
fn a_bomb_is_stopped() {
    let zeros = vec![0; 40 * 1024 * 1024];
    let mut writer = Writer::default();
    let bomb = writer.add("a!", &zeros, How::Deflated).end();
    assert!(bomb.len() < 100_000);
    assert!(matches!(read(&bomb), Err(Trouble::Limit(_))));
}

#[test]
fn more_entries_than_any_program_has_are_a_limit() {
    let mut writer = Writer::default();
    for _ in 0..MAX_READ + 1 {
        writer.count = 0;
        writer.add("a!", b"", How::Stored);
    }
    assert!(matches!(read(&writer.end()), Err(Trouble::Limit(_))));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_walk_panic(at in 0..400_usize, bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..9)) {
        let mut writer = Writer::default();
        writer.add("other", b"other", How::Follow).add("a!", b"content", How::Deflated).add("b!", b"", How::Stored);
        let mut archive = writer.end();
        let at = at % archive.len();
        let end = (at + bytes.len()).min(archive.len());
        archive[at..end].copy_from_slice(&bytes[..end - at]);
        let _ = read(&archive);
        let _ = read(&bytes);
    }
}
