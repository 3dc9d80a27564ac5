use proptest::prelude::*;

use super::*;

fn one(text: &str) -> Package {
    let mut parsed = parse("p", text.as_bytes());
    assert_eq!((parsed.packages.len(), &parsed.unreadable), (1, &Vec::new()), "{text:?}");
    parsed.packages.remove(0)
}

#[test]
fn name_version_licence_and_author_are_read() {
    let package = one(
        "Metadata-Version: 2.1\nName: Foo_Bar.baz\nVersion: 1.0\nAuthor: A. Uthor\nAuthor-email: a@example.com\n\
         License: MIT\nClassifier: License :: OSI Approved :: BSD License\nClassifier: License :: OSI Approved\n\nName: no\n",
    );
    assert_eq!((package.name.as_str(), package.version.as_str()), ("Foo_Bar.baz", "1.0"));
    assert_eq!(package.licences, ["BSD License"], "classifiers say it better than the free field");
    assert_eq!(package.supplier.as_deref(), Some("A. Uthor <a@example.com>"));
    assert_eq!(one("Name: a\nVersion: 1\nLicense-Expression: MIT OR BSD\nLicense: no").licences, ["MIT OR BSD"]);
    assert_eq!(one("Name: a\nVersion: 1\nLicense: UNKNOWN\nAuthor: UNKNOWN").supplier, None);
    let maintained = one("Name: a\nVersion: 1\nMaintainer-email: M <m@example.com>\nLicense: BSD\n  3\n\tClause");
    assert_eq!(
        (maintained.supplier.as_deref(), maintained.licences),
        (Some("M <m@example.com>"), vec!["BSD 3 Clause".to_owned()])
    );
}

#[test]
fn headers_are_read_as_go_reads_them() {
    for text in [
        "Name: a\r\nVersion: 1\r\n\r\n",
        "Name: a\nVersion: 1",
        "NAME: a\nvErSiOn:1\n",
        "Name: a\nName: b\nVersion: 1\nVersion: 2\n",
        "Name:\n a\nVersion: 1\n",
        "Name: a\nDescription: x\n        |y: z\n \nVersion: 1\n",
        "Bad_Key: 1\nName: a\nVersion: 1\n",
        "Name: a\nVersion: 1\nthis line ends the headers\nName: b\n",
        "Name : b\nName: a\nVersion: 1\n",
    ] {
        let package = one(text);
        assert_eq!((package.name.as_str(), package.version.as_str()), ("a", "1"), "{text:?}");
    }
    let latin1 = parse("p", b"Name: a\nAuthor: J\xf6rg\nVersion: 1\n");
    assert_eq!(latin1.packages.len(), 1, "bytes that are no UTF-8 matter only where they are needed");
}

#[test]
fn a_file_without_a_readable_name_or_version_is_an_anomaly() {
    for bad in [
        &b""[..],
        b"\nName: a\nVersion: 1\n",
        b"Name: a\n",
        b"Version: 1\n",
        b"Name: \nVersion: 1\n",
        b" Name: a\nVersion: 1\n",
        b"Name: a\nno header\nVersion: 1\n",
        b"Name: a\n: 1\nVersion: 1\n",
        b"Name: a\nA(b): 1\nVersion: 1\n",
        b"Name: a\nKey: \x01\nVersion: 1\n",
        b"Name : a\nVersion: 1\n",
        b"Name: a\xff\nVersion: 1\n",
        b"\xef\xbb\xbfName: a\nVersion: 1\n",
        b"Name: a\nVersion: 1\x00\n",
    ] {
        let parsed = parse("p", bad);
        assert_eq!((parsed.packages.len(), parsed.unreadable.len()), (0, 1), "{:?}", String::from_utf8_lossy(bad));
    }
    let long = format!("Name: {}\nVersion: 1\n", "a".repeat(5000));
    assert_eq!(parse("p", long.as_bytes()).unreadable.len(), 1);
}

proptest! {
    #[test]
    fn any_bytes_give_a_package_or_an_anomaly(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let parsed = parse("p", &bytes);
        prop_assert_eq!(parsed.packages.len() + parsed.unreadable.len(), 1);
    }

    #[test]
    fn what_is_written_is_read_back(name in "[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", version in "[0-9][0-9a-z.!+]{0,12}") {
        let package = one(&format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n{name}: body\n"));
        prop_assert_eq!((package.name, package.version), (name, version));
    }
}
