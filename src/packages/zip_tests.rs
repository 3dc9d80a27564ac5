use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;

use super::*;

/// An archive with these files, the odd ones deflated.
pub(in crate::packages) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (index, (name, content)) in files.iter().enumerate() {
        let (method, packed) = if index % 2 == 0 { (0_u16, content.to_vec()) } else { (8, deflated(content)) };
        let mut crc = Crc::new();
        crc.update(content);
        let mut header = vec![20, 0, 0, 0];
        header.extend(method.to_le_bytes());
        header.extend([0; 4]);
        for number in [crc.sum(), u32::try_from(packed.len()).unwrap(), u32::try_from(content.len()).unwrap()] {
            header.extend(number.to_le_bytes());
        }
        header.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        header.extend([0; 2]);
        directory.extend(ENTRY_MARK);
        directory.extend([20, 0]);
        directory.extend(&header);
        directory.extend([0; 10]);
        directory.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
        directory.extend(name.as_bytes());
        bytes.extend(FILE_MARK);
        bytes.extend(header);
        bytes.extend(name.as_bytes());
        bytes.extend(packed);
    }
    let start = u32::try_from(bytes.len()).unwrap();
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    bytes.extend(&directory);
    bytes.extend(END_MARK);
    bytes.extend([0; 4]);
    bytes.extend(count);
    bytes.extend(count);
    bytes.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn two() -> Vec<u8> {
    archive(&[("a", b"stored"), ("b", b"deflated deflated deflated")])
}

fn contents(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ZipError> {
    let archive = Archive::open(bytes)?;
    archive.entries().iter().map(|entry| Ok((entry.name.clone(), archive.read(entry, 1000)?))).collect()
}

#[test]
fn stored_and_deflated_files_are_read() {
    let expect = vec![("a".to_owned(), b"stored".to_vec()), ("b".to_owned(), b"deflated deflated deflated".to_vec())];
    assert_eq!(contents(&two()).unwrap(), expect);
    let launcher = [&b"#!/bin/sh\nPK\x05\x06"[..], &two()].concat();
    assert_eq!(contents(&launcher).unwrap(), expect, "what stands before it does not matter");
    assert_eq!(contents(&[&two()[..], b"trailing"].concat()).unwrap(), expect);
    assert_eq!(contents(&archive(&[])).unwrap(), []);
}

#[test]
fn each_defect_is_an_error() {
    let good = two();
    let end = good.len() - END_BYTES;
    let directory = good.windows(4).position(|w| w == ENTRY_MARK).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bad = good.clone();
        bad[at] = byte;
        bad
    };
    for (what, bad) in [
        ("empty", Vec::new()),
        ("end cut", good[..good.len() - 1].to_vec()),
        ("count", with(end + 10, 3)),
        ("directory size", with(end + 14, 1)),
        ("directory offset", with(end + 18, 1)),
        ("entry mark", with(directory, b'X')),
        ("encrypted", with(directory + 8, 1)),
        ("method", with(directory + 10, 99)),
        ("checksum", with(directory + 16, good[directory + 16] ^ 1)),
        ("packed size", with(directory + 22, 1)),
        ("size", with(directory + 24, 5)),
        ("name length", with(directory + 29, 0xff)),
        ("offset", with(directory + 44, 1)),
        ("content", with(FILE_BYTES + 1, b'X')),
        ("file mark", with(0, b'X')),
    ] {
        assert!(contents(&bad).is_err(), "{what}");
    }
}

#[test]
fn a_bomb_is_stopped_by_its_limit() {
    let zeros = vec![0; 2_000_000];
    let bytes = archive(&[("a", b""), ("bomb", &zeros)]);
    let archive = Archive::open(&bytes).unwrap();
    let bomb = &archive.entries()[1];
    assert!(matches!(archive.read(bomb, 1000), Err(ZipError::TooLarge { .. })));
    let lying = Entry { size: 10, ..bomb.clone() };
    assert!(matches!(archive.read(&lying, 1000), Err(ZipError::Damaged { .. })), "no more than it claims is inflated");
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = contents(&bytes);
    }

    #[test]
    fn no_changed_byte_gives_other_content(at in 0_usize..200, byte: u8) {
        let mut bytes = two();
        let at = at % bytes.len();
        bytes[at] = byte;
        let expect: Vec<_> = contents(&two()).unwrap().into_iter().map(|(_, content)| content).collect();
        if let Ok(found) = contents(&bytes) {
            prop_assert_eq!(found.into_iter().map(|(_, content)| content).collect::<Vec<_>>(), expect);
        }
    }
}
