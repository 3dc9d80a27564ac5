use super::*;

const PATH: &str = "var/lib/dpkg/status";

fn stanza(name: &str, rest: &str) -> String {
    format!(
        "Package: {name}\nStatus: install ok installed\nMaintainer: D <d@debian.org>\nArchitecture: amd64\n{rest}Version: 1.0-1\n"
    )
}

/// Names found, and how many stanzas were complained about.
fn read(bytes: &[u8]) -> (Vec<String>, usize) {
    let parsed = parse(PATH, bytes);
    (parsed.packages.into_iter().map(|p| p.name).collect(), parsed.unreadable.len())
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[test]
fn a_stanza_gives_package_source_and_supplier() {
    let text = "Package: libssl3\nStatus: install ok installed\nMaintainer: Debian OpenSSL Team <x@y>\n\
        Architecture: amd64\nMulti-Arch: same\nSource: openssl (3.0.13-1~deb12u1)\nVersion: 1:3.0.13-1~deb12u1+b1\n\
        Depends: libc6 (>= 2.34), debconf:any (>= 0.5) | debconf-2.0\nDescription: x\n long\n .\n text\n";
    let parsed = parse(PATH, text.as_bytes());
    let package = &parsed.packages[0];
    assert_eq!(parsed.unreadable, Vec::<String>::new());
    assert_eq!((package.name.as_str(), package.version.as_str()), ("libssl3", "1:3.0.13-1~deb12u1+b1"));
    assert_eq!(package.source, Some(Source { name: "openssl".to_owned(), version: "3.0.13-1~deb12u1".to_owned() }));
    assert_eq!(package.supplier.as_deref(), Some("Debian OpenSSL Team <x@y>"));
    assert_eq!(package.depends, names(&["debconf", "debconf-2.0", "libc6"]));
    assert_eq!((package.version_parts().epoch, package.version_parts().revision.as_str()), (1, "1~deb12u1+b1"));
}

#[test]
fn a_broken_stanza_costs_at_most_itself() {
    let (a, c) = (stanza("a", ""), stanza("c", ""));
    let long = format!("Description: x\n {}\n", "y".repeat(200 * 1024));
    let long_line = format!("X-Note: {}\n", "y".repeat(200 * 1024));
    for (what, middle, expect, complaints) in [
        ("nothing wrong", stanza("b", "").into_bytes(), &["a", "b", "c"][..], 0),
        ("stanza over 128 KiB", stanza("b", &long).into_bytes(), &["a", "b", "c"], 0),
        ("line over 128 KiB", stanza("b", &long_line).into_bytes(), &["a", "b", "c"], 0),
        ("line without a colon", stanza("b", "nonsense\n").into_bytes(), &["a", "b", "c"], 1),
        ("empty field name", stanza("b", ": x\n").into_bytes(), &["a", "b", "c"], 1),
        ("no version", b"Package: b\nStatus: install ok installed\n".to_vec(), &["a", "c"], 1),
        ("no name", b"Version: 1\nStatus: install ok installed\n".to_vec(), &["a", "c"], 1),
        ("version is not UTF-8", b"Package: b\nVersion: 1.\xff\n".to_vec(), &["a", "c"], 1),
        ("NUL in the version", b"Package: b\nVersion: 1.\x002\n".to_vec(), &["a", "c"], 1),
        ("NUL in the name", b"Package: b\x00b\nVersion: 1\n".to_vec(), &["a", "c"], 1),
        ("two stanzas run together", (stanza("b", "") + &stanza("hidden", "")).into_bytes(), &["a", "b", "c"], 1),
        ("orphan continuation", b" orphan\n".to_vec(), &["a", "c"], 1),
        ("source version unreadable", stanza("b", "Source: s (1_2)\n").into_bytes(), &["a", "c"], 1),
    ] {
        let mut bytes = format!("{a}\n").into_bytes();
        bytes.extend(middle);
        bytes.extend(format!("\n{c}").into_bytes());
        assert_eq!(read(&bytes), (names(expect), complaints), "{what}");
    }
}

#[test]
fn a_leading_line_without_field_name_does_not_cost_the_first_stanza() {
    let text = format!(": x\n{}\n{}", stanza("a", ""), stanza("b", ""));
    assert_eq!(read(text.as_bytes()), (names(&["a", "b"]), 1));
}

#[test]
fn carriage_returns_and_blank_lines_with_spaces_separate_too() {
    let text = format!("{}\n{}\n{}", stanza("a", ""), stanza("b", ""), stanza("c", ""));
    assert_eq!(read(text.replace('\n', "\r\n").as_bytes()), (names(&["a", "b", "c"]), 0));
    assert_eq!(read(text.replace("\n\n", "\n \t\n").as_bytes()), (names(&["a", "b", "c"]), 0));
}

#[test]
fn removed_packages_are_not_installed() {
    for (status, installed) in [
        ("install ok installed", true),
        ("deinstall ok installed", true),
        ("install ok half-configured", true),
        ("deinstall ok config-files", false),
        ("purge ok not-installed", false),
    ] {
        let text = format!("Package: a\nStatus: {status}\nVersion: 1\n");
        assert_eq!(read(text.as_bytes()).0.len(), usize::from(installed), "{status}");
    }
    let distroless = "Package: base-files\nVersion: 12.4\nArchitecture: amd64\n";
    assert_eq!(read(distroless.as_bytes()).0, names(&["base-files"]));
}

#[test]
fn md5sums_list_owned_files_without_documentation() {
    let sums =
        b"0123  usr/bin/node\n4567  usr/share/doc/node/copyright\n89ab  usr/share/nodejs/npm/package.json\n\xff\n";
    assert_eq!(owned_paths(sums), "usr/bin/node\nusr/share/nodejs/npm/package.json\n");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_parser_fail(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..2000)) {
        let _ = parse(PATH, &bytes);
    }
}
