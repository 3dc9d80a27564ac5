use super::*;

const MODULES: &str = "path\texample.org/m/cmd/tool\nmod\texample.org/m\t(devel)\t\n\
    dep\tgithub.com/A/b\tv1.0.0\th1:x=\ndep\tgithub.com/c/d\tv1.0.0\n=>\tgithub.com/e/f\tv1.1.0\th1:y=\n\
    dep\tk8s.io/api\tv0.0.0\n=>\t./staging/api\t(devel)\t\nbuild\t-compiler=gc\n\
    build\t-ldflags=\"-s -X main.version=v9.9.9\"\n";

fn names(parsed: &Parsed) -> Vec<(&str, &str)> {
    parsed.packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect()
}

fn inline(version: &str, modules: &[u8]) -> Vec<u8> {
    let mut blob = b"\xff Go buildinf:\x08\x02".to_vec();
    blob.resize(HEADER, 0);
    for text in [version.as_bytes(), modules] {
        let mut length = text.len();
        while length >= 0x80 {
            blob.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        blob.push(u8::try_from(length).unwrap());
        blob.extend(text);
    }
    blob
}

fn framed(modules: &str) -> Vec<u8> {
    [&[b'<'; 16], modules.as_bytes(), &[b'>'; 16]].concat()
}

#[test]
fn every_module_or_its_replacement_is_a_package_and_so_is_the_standard_library() {
    let parsed = parse("usr/bin/tool", "go1.20.1 X:boringcrypto", MODULES.as_bytes());
    let expect = [
        ("stdlib", "v1.20.1"),
        ("github.com/A/b", "v1.0.0"),
        ("github.com/e/f", "v1.1.0"),
        ("k8s.io/api", ""),
        ("example.org/m", "v9.9.9"),
    ];
    assert_eq!(names(&parsed), expect);
    assert!(parsed.unreadable.is_empty());
}

#[test]
fn the_standard_librarys_version_is_without_experiments_and_vendors() {
    for (version, expect) in [
        ("go1.19", "v1.19"),
        ("go1.26.5 (Red Hat 1.26.5-1.el10)", "v1.26.5"),
        ("go1.26.5-X:nodwarf5", "v1.26.5"),
        ("devel go1.21-abc", "vdevel"),
    ] {
        assert_eq!(standard_library(version), expect);
    }
}

#[test]
fn a_blob_gives_back_what_was_put_in_and_says_how_long_it_is() {
    let modules = framed(MODULES);
    let whole = inline("go1.20", &modules);
    let long = [whole.as_slice(), b"what follows"].concat();
    let expect = Blob::Inline { version: "go1.20", modules: MODULES.as_bytes() };
    assert_eq!(blob(&long), Ok(expect));
    let mut want = 42;
    loop {
        let next = wanted(&long[..want.min(long.len())], want);
        if next == want {
            break;
        }
        want = next;
    }
    assert_eq!(want, whole.len());
}

#[test]
fn a_blob_with_one_defect_is_refused() {
    let good = inline("go1.20", &framed(MODULES));
    let mut endless = good.clone();
    endless[HEADER..HEADER + 10].fill(0xff);
    let mut huge = good.clone();
    huge[HEADER..HEADER + 5].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    let mut width = good.clone();
    (width[14], width[15]) = (3, 0);
    let not_utf8 = inline("go1.20", b"").into_iter().map(|b| if b == b'g' { 0xfe } else { b }).collect();
    for (what, bytes) in [
        ("cut", good[..good.len() - 1].to_vec()),
        ("cut in its header", good[..20].to_vec()),
        ("endless number", endless),
        ("huge number", huge),
        ("pointers of three bytes", width),
        ("version is not UTF-8", not_utf8),
    ] {
        assert!(blob(&bytes).is_err(), "{what}");
    }
}

#[test]
fn a_broken_module_list_keeps_the_standard_library_and_is_said_aloud() {
    for bad in ["dep\tx\n", "=>\tx\tv1\th1:\n", "dep\tx\tv1\n=>\ty\tv1\n", "dep\ta\tb\tc\td\n"] {
        let parsed = parse("x", "go1.20", bad.as_bytes());
        assert_eq!((parsed.packages.len(), parsed.unreadable.len()), (1, 1), "{bad}");
    }
    assert!(parse("x", "", b"").failed.is_some());
}

#[test]
fn numbers_are_read_as_in_go() {
    assert_eq!(varint(&[0x96, 0x01]), Some((150, 2)));
    assert_eq!(varint(&[0xff; 10]), None);
    let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(varint(&largest), Some((u64::MAX, 10)));
    assert_eq!(varint(&[0xff, 0xff]), None);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), flags in 0..4_u8) {
        let mut blob_bytes = b"\xff Go buildinf:\x08".to_vec();
        blob_bytes.push(flags);
        blob_bytes.extend(&bytes);
        let _ = blob(&blob_bytes);
        let _ = wanted(&blob_bytes, 42);
        let _ = parse("p", "go1.2", &bytes);
    }
}
