use super::*;

const SQLITE: &[u8] = include_bytes!("../../../testdata/rpm/rpmdb.sqlite");
const NDB: &[u8] = include_bytes!("../../../testdata/rpm/Packages.db");
const BERKELEY: &[u8] = include_bytes!("../../../testdata/rpm/Packages");
const FORMATS: [(&str, &[u8]); 3] = [("sqlite", SQLITE), ("ndb", NDB), ("berkeley", BERKELEY)];

fn names(installed: &Installed) -> Vec<&str> {
    let mut names: Vec<&str> = installed.parsed.packages.iter().map(|p| p.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn named<'a>(installed: &'a Installed, name: &str) -> &'a Package {
    installed.parsed.packages.iter().find(|p| p.name == name).unwrap()
}

fn complains(parsed: &Parsed) -> bool {
    parsed.failed.is_some() || !parsed.unreadable.is_empty() || !parsed.limits.is_empty()
}

/// `bytes` with `new` at `at`.
fn with(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

fn position(bytes: &[u8], of: &[u8]) -> usize {
    bytes.windows(of.len()).position(|window| window == of).unwrap()
}

#[test]
fn every_format_gives_the_same_packages() {
    for (format, bytes) in FORMATS {
        let installed = parse("var/lib/rpm/x", bytes);
        assert!(!complains(&installed.parsed), "{format}: {:?}", installed.parsed);
        assert_eq!(names(&installed), ["nginx", "npm", "openssl", "openssl-libs"], "{format}");
        let libs = named(&installed, "openssl-libs");
        assert_eq!((libs.version.as_str(), libs.architecture.as_deref()), ("1:3.0.7-24.el9", Some("x86_64")));
        let source = libs.source.as_ref().unwrap();
        assert_eq!((source.name.as_str(), source.version.as_str()), ("openssl", "1:3.0.7-24.el9"));
        assert_eq!(
            (libs.depends.as_slice(), libs.licences.as_slice()),
            (&["openssl".to_owned()][..], &["MIT and GPL-2.0-only".to_owned()][..])
        );
        assert_eq!(
            (libs.supplier.as_deref(), libs.hashes[0].0.as_str(), libs.hashes[0].1.len()),
            (Some("Red Hat, Inc."), "MD5", 32)
        );
        assert_eq!(named(&installed, "npm").modularity.as_deref(), Some("nodejs:18:9030020231222:rhel9"));
        assert_eq!(named(&installed, "npm").version, "8.19.4-1.module_el9");
    }
}

#[test]
fn only_packages_of_the_distribution_own_files() {
    for (format, bytes) in FORMATS {
        let installed = parse("x", bytes);
        let owned: BTreeSet<&str> = installed.owned.lines().collect();
        assert!(owned.contains("usr/lib/node_modules/npm/node_modules/part-40/package.json"), "{format}: {owned:?}");
        assert!(!owned.contains("usr/sbin/nginx"), "{format}");
        assert!(named(&installed, "nginx").third_party && !named(&installed, "npm").third_party);
    }
    assert!(from_distributor(None, "1.amzn2023"));
    assert!(!from_distributor(None, "1.el9") && !from_distributor(Some("Docker"), "1.amzn2023"));
}

#[test]
fn no_truncation_loses_a_package_in_silence() {
    for (format, bytes) in FORMATS {
        for length in (1..bytes.len()).step_by(41) {
            let parsed = parse("x", &bytes[..length]).parsed;
            assert!(parsed.packages.len() == 4 || complains(&parsed), "{format} of {length} bytes: {parsed:?}");
        }
    }
}

#[test]
fn a_changed_byte_is_never_a_panic() {
    for (_, bytes) in FORMATS {
        for at in (0..bytes.len()).step_by(11) {
            _ = parse("x", &with(bytes, at, &[!bytes[at]]));
        }
    }
}

#[test]
fn a_damaged_package_costs_at_most_itself() {
    for (format, bytes) in FORMATS {
        // The release of openssl-libs, in its header: no text of a release has a control character.
        let at = position(bytes, b"openssl-libs\x003.0.7\x0024.el9\0");
        let parsed = parse("x", &with(bytes, at + 19, b"\x01"));
        assert_eq!((names(&parsed).len(), parsed.parsed.unreadable.len()), (3, 1), "{format}");
    }
}

#[test]
fn a_database_with_one_defect_is_unreadable_and_says_why() {
    let page_kind = |number: usize, kind: u8| with(BERKELEY, number * 1024 + 25, &[kind]);
    let schema = position(SQLITE, b"blob BLOB");
    for (what, bytes, why) in [
        ("no known format", b"something".to_vec(), "neither SQLite"),
        ("sqlite: page size", with(SQLITE, 16, &[0, 3]), "pages of 3 bytes"),
        ("sqlite: schema page", with(SQLITE, 100, &[2]), "schema: page 1"),
        ("sqlite: another shape", with(SQLITE, schema, b"clob"), "unknown shape"),
        ("sqlite: no table", with(SQLITE, position(SQLITE, b"PackagesPackages"), b"Qackages"), "no table Packages"),
        ("ndb: version", with(NDB, 4, &[1]), "ndb version 1"),
        ("ndb: no slots", with(NDB, 12, &[0]), "0 pages of slots"),
        ("ndb: too many slots", with(NDB, 12, &[255]), "shorter than its 255 pages"),
        ("berkeley: page size", with(BERKELEY, 20, &[1]), "pages of"),
        ("berkeley: encrypted", with(BERKELEY, 24, &[1]), "encrypted"),
        ("berkeley: a b-tree", page_kind(0, 9), "no hash table"),
        ("berkeley: last page", with(BERKELEY, 33, &[9]), "where there should be"),
    ] {
        let parsed = parse("x", &bytes).parsed;
        let failed = parsed.failed.clone().unwrap_or_default();
        assert!(failed.contains(why) && parsed.packages.is_empty(), "{what}: {parsed:?}");
    }
}

#[test]
fn a_chain_of_pages_that_bites_its_tail_ends() {
    let overflow = (1..BERKELEY.len() / 1024).find(|n| BERKELEY[n * 1024 + 25] == 7).unwrap();
    let number = u32::try_from(overflow).unwrap().to_le_bytes();
    let parsed = parse("x", &with(BERKELEY, overflow * 1024 + 16, &number)).parsed;
    assert!(parsed.unreadable.iter().any(|why| why.contains("used twice")), "{:?}", parsed.unreadable);
    let page = parse("x", &with(BERKELEY, overflow * 1024 + 25, &[99])).parsed;
    assert!(complains(&page));
}

#[test]
fn a_header_that_contradicts_itself_is_refused() {
    let text = |tag: u32, value: &str| (tag, 6, 1, format!("{value}\0").into_bytes());
    let whole = || vec![text(header::NAME, "a"), text(header::VERSION, "1"), text(header::RELEASE, "2")];
    let read = |entries: &[Entry]| {
        let mut reading = Reading::default();
        reading.header(&built(entries));
        (reading.parsed.packages.len(), reading.parsed.unreadable.join(" "))
    };
    assert_eq!(read(&whole()), (1, String::new()));
    let strings = |tag, values: &str, count| (tag, 8, count, values.as_bytes().to_vec());
    for (defect, why) in [
        (text(header::NAME, "b"), "given twice"),
        ((header::EPOCH, 6, 1, b"1\0".to_vec()), "no list of numbers"),
        ((header::EPOCH, 4, 2, vec![0; 4]), "no list of numbers"),
        (text(header::SOURCE_RPM, "nonsense"), "is no RPM"),
        (text(header::ARCHITECTURE, "x86 64"), "has blanks"),
        (strings(header::REQUIRES, "a\0b\0", 3), "does not end"),
        (strings(header::REQUIRES, "a\0", u32::MAX), "does not end"),
        ((header::VENDOR, 6, 1, b"no end".to_vec()), "does not end"),
    ] {
        let (packages, said) = read(&[whole(), vec![defect]].concat());
        assert!(packages == 0 && said.contains(why), "{why}: {said}");
    }
    assert_eq!(read(&whole()[..2]).1, "a: no release");
    for bad in [&b""[..], &[0; 8], &[0, 0, 0, 1, 0, 0, 0, 9, 0, 0], &[255; 64]] {
        assert!(Header::parse(bad).is_err());
    }
}

#[test]
fn files_belong_to_folders_that_exist() {
    let red_hat = (header::VENDOR, 6, 1, b"Red Hat\0".to_vec());
    let text = |tag: u32, value: &str| (tag, 6, 1, format!("{value}\0").into_bytes());
    let files = |index: u8, names: &[u8]| {
        vec![
            text(header::NAME, "a"),
            text(header::VERSION, "1"),
            text(header::RELEASE, "2"),
            red_hat.clone(),
            (header::FOLDER_NAMES, 8, 1, b"/opt/\0".to_vec()),
            (header::FILE_NAMES, 8, u32::try_from(names.iter().filter(|b| **b == 0).count()).unwrap(), names.to_vec()),
            (header::FOLDER_INDEXES, 4, 1, vec![0, 0, 0, index]),
        ]
    };
    let read = |entries: &[Entry]| {
        let mut reading = Reading::default();
        reading.header(&built(entries));
        (reading.owned, reading.parsed.unreadable.len())
    };
    assert_eq!(read(&files(0, b"x\0")), ("opt/x\n".to_owned(), 0));
    assert_eq!(read(&files(1, b"x\0")), (String::new(), 1));
    assert_eq!(read(&files(0, b"x\0y\0")), (String::new(), 1));
}

type Entry = (u32, u32, u32, Vec<u8>);

/// A header of these values: tag, type, count, bytes.
fn built(entries: &[Entry]) -> Vec<u8> {
    let (mut index, mut store) = (Vec::new(), Vec::new());
    for (tag, kind, count, bytes) in entries {
        // Numbers are aligned.
        store.resize(store.len().next_multiple_of(4), 0);
        let offset = u32::try_from(store.len()).unwrap();
        index.extend([*tag, *kind, offset, *count].iter().flat_map(|n| n.to_be_bytes()));
        store.extend(bytes);
    }
    let lengths = [entries.len(), store.len()].map(|n| u32::try_from(n).unwrap().to_be_bytes());
    [lengths.concat(), index, store].concat()
}

#[test]
fn a_write_ahead_log_with_content_is_not_passed_over() {
    assert_eq!(log(0), None);
    assert_eq!(log(4152).unwrap().unreadable.len(), 1);
}
