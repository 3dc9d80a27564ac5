use super::*;

fn file(path: &str, content: &[u8]) -> Vec<u8> {
    entry(EntryType::Regular, path, content, content.len() as u64)
}

/// One header with content; `size` is what the header says.
fn entry(kind: EntryType, path: &str, content: &[u8], size: u64) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_size(size);
    header.set_mode(0o644);
    header.set_entry_type(kind);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn pax_record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

/// Paths and contents of everything in `bytes`.
fn walk(bytes: &[u8]) -> Result<Vec<(String, usize)>, Fault> {
    let mut tar = TarWalk::new(bytes);
    let mut found = Vec::new();
    while let Some(entry) = tar.next()? {
        let mut content = Vec::new();
        tar.read_to_end(&mut content)?;
        found.push((String::from_utf8_lossy(&entry.path).into_owned(), content.len()));
    }
    Ok(found)
}

fn names(bytes: &[u8]) -> Vec<(String, usize)> {
    walk(bytes).unwrap()
}

fn found(list: &[(&str, usize)]) -> Vec<(String, usize)> {
    list.iter().map(|(path, size)| ((*path).to_owned(), *size)).collect()
}

#[test]
fn files_are_seen_with_their_content_and_junk_behind_the_end_is_not() {
    let mut bytes = [file("a", b"12345"), file("b", b""), file("c", &[7; 1500])].concat();
    assert_eq!(names(&bytes), found(&[("a", 5), ("b", 0), ("c", 1500)]));
    bytes.extend([0; 1024]);
    bytes.extend(b"junk after the end");
    assert_eq!(names(&bytes), found(&[("a", 5), ("b", 0), ("c", 1500)]));
}

#[test]
fn a_pax_size_overrides_the_header_so_that_nothing_hides_in_the_difference() {
    let hidden = file("hidden", b"x");
    let record = pax_record("size", &hidden.len().to_string());
    let bytes = [
        entry(EntryType::XHeader, "p", record.as_bytes(), record.len() as u64),
        entry(EntryType::Regular, "a", &hidden, 0),
    ]
    .concat();
    assert_eq!(names(&bytes), found(&[("a", hidden.len())]));
}

#[test]
fn long_names_of_both_kinds_are_used() {
    let long = "d/".repeat(80) + "x";
    let record = pax_record("path", &long);
    let pax = [entry(EntryType::XHeader, "p", record.as_bytes(), record.len() as u64), file("short", b"1")].concat();
    assert_eq!(names(&pax), found(&[(&long, 1)]));
    let name = format!("{long}\0");
    let gnu = [entry(EntryType::GNULongName, "l", name.as_bytes(), name.len() as u64), file("short", b"1")].concat();
    assert_eq!(names(&gnu), found(&[(&long, 1)]));
}

#[test]
fn a_link_or_folder_with_a_size_has_no_content() {
    let bytes = [entry(EntryType::Link, "l", b"", 512), file("a", b"1")].concat();
    assert_eq!(names(&bytes), found(&[("l", 0), ("a", 1)]));
}

#[test]
fn sparse_files_do_not_shift_what_follows() {
    let bytes = [entry(EntryType::GNUSparse, "s", b"12", 2), file("a", b"1")].concat();
    assert_eq!(names(&bytes), found(&[("s", 2), ("a", 1)]));
}

#[test]
fn ambiguous_or_lying_archives_are_refused() {
    let mut wrong_sum = file("a", b"1");
    wrong_sum[0] = b'b';
    let lone_zero = [file("a", b""), vec![0; 512], file("b", b"")].concat();
    let global = pax_record("path", "x");
    let long = "x".repeat(MAX_PATH_BYTES + 1);
    let too_long = pax_record("path", &long);
    for (what, bytes) in [
        ("checksum", wrong_sum),
        ("content behind a lone zero block", lone_zero),
        ("lying size", entry(EntryType::Regular, "a", b"1", 100_000)),
        ("cut header", file("a", b"")[..300].to_vec()),
        ("huge pax header", entry(EntryType::XHeader, "p", b"", MAX_PAX_BYTES + 1)),
        ("huge long name", entry(EntryType::GNULongName, "p", b"", 1 << 40)),
        ("pax without equals sign", entry(EntryType::XHeader, "p", b"6 abc\n", 6)),
        ("pax length lies", entry(EntryType::XHeader, "p", b"99 a=b\n", 7)),
        ("global path", entry(EntryType::XGlobalHeader, "g", global.as_bytes(), global.len() as u64)),
        (
            "path too long",
            [entry(EntryType::XHeader, "p", too_long.as_bytes(), too_long.len() as u64), file("a", b"")].concat(),
        ),
    ] {
        assert!(walk(&bytes).is_err(), "{what}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_walk_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..3000)) {
        let _ = walk(&bytes);
    }
}
