//! Extension headers of tar: pax (POSIX.1-2001), GNU long names, sparse files, global headers.

use super::bytes::{BLOCK, Head, Tar, record};
use super::{
    A, Case, Expect, STATUS_PATH, archive_of, base, case, complete, incomplete, limit, malformed, npm, npm_path,
    of_archives,
};

pub(super) fn cases() -> Vec<Case> {
    let mut all = pax();
    all.extend(long_names());
    all.extend(sparse());
    all.extend(global());
    all
}

fn above(name: &'static str, expect: Expect, build: impl Fn(Tar) -> Vec<u8> + Send + Sync + 'static) -> Case {
    case(name, expect, move || of_archives(vec![archive_of(base()), build(Tar::default())]))
}

/// An archive whose one file has this extension header, as written.
fn raw(name: &'static str, expect: Expect, header: impl Into<Vec<u8>>) -> Case {
    let header = header.into();
    above(name, expect, move |tar| tar.extension(b'x', &header).file(&npm_path("x"), npm("x")).end())
}

fn pax() -> Vec<Case> {
    let x = &[A, "x@1"];
    let y = &[A, "y@1"];
    let inner = || Tar::default().file(&npm_path("hidden"), npm("hidden")).0;
    vec![
        above("pax/size-larger-than-the-header-says", complete(&[A]), move |tar| {
            // Read by the header alone, the content would be a file of its own.
            let content = inner();
            tar.pax(&[("size", &content.len().to_string())]).entry(Head::new("x", 0), &content).end()
        }),
        above("pax/size-zero-where-the-header-says-more", complete(&[A, "hidden@1"]), move |tar| {
            tar.pax(&[("size", "0")]).entry(Head::new("x", inner().len() as u64), b"").raw(&inner()).end()
        }),
        above("pax/size-no-number", malformed(), |tar| tar.pax(&[("size", "x")]).file("x", "").end()),
        above("pax/size-negative", malformed(), |tar| tar.pax(&[("size", "-1")]).file("x", "").end()),
        above("pax/size-beyond-the-archive", malformed(), |tar| {
            tar.pax(&[("size", "99999999999")]).file("x", "").end()
        }),
        above("pax/path", complete(y), |tar| tar.pax(&[("path", &npm_path("y"))]).file("short", npm("y")).end()),
        above("pax/path-twice", complete(y), |tar| {
            tar.pax(&[("path", "first"), ("path", &npm_path("y"))]).file("short", npm("y")).end()
        }),
        above("pax/path-of-the-database", complete(&["b@1-1"]), |tar| {
            let text = "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1-1\n";
            tar.pax(&[("path", STATUS_PATH)]).file("harmless", text).end()
        }),
        above("pax/path-with-a-zero", malformed(), |tar| tar.pax(&[("path", "a\0b")]).file("x", "").end()),
        above("pax/path-is-a-whiteout", incomplete(&["no-components", "os-without-packages"], &[]), |tar| {
            tar.pax(&[("path", "var/lib/dpkg/.wh.status")]).file("harmless", "").end()
        }),
        above("pax/two-headers-for-one-file", malformed(), |tar| {
            tar.pax(&[("path", &npm_path("y"))]).pax(&[("mtime", "1")]).file(&npm_path("x"), npm("x")).end()
        }),
        above("pax/pax-and-gnu-name-for-one-file", malformed(), |tar| {
            let long = format!("{}\0", npm_path("y"));
            tar.extension(b'L', long.as_bytes()).pax(&[("path", "z")]).file("short", npm("y")).end()
        }),
        above("pax/nothing-behind", malformed(), |tar| tar.pax(&[("path", "x")]).end()),
        above("pax/unknown-keys", complete(x), |tar| {
            tar.pax(&[("SCHILY.xattr.security.capability", "\u{1}\u{2}"), ("VENDOR.x", "y")])
                .file(&npm_path("x"), npm("x"))
                .end()
        }),
        above("pax/times", complete(x), |tar| {
            tar.pax(&[("mtime", "-1.5"), ("atime", "99999999999")]).file(&npm_path("x"), npm("x")).end()
        }),
        raw("pax/length-too-short", malformed(), "5 path=x\n"),
        raw("pax/length-too-long", malformed(), "99 path=x\n"),
        raw("pax/length-no-number", malformed(), "x path=x\n"),
        raw("pax/length-negative", malformed(), "-9 path=x\n"),
        raw("pax/length-beyond-64-bits", malformed(), "99999999999999999999999 path=x\n"),
        raw("pax/no-line-end", malformed(), "9 path=xy"),
        raw("pax/no-equals", malformed(), "8 pathx\n"),
        raw("pax/junk-behind-a-record", malformed(), format!("{}junk", record("path", "y"))),
        raw("pax/zeros-behind-a-record", malformed(), [record("mtime", "1").as_bytes(), &[0; 20]].concat()),
        raw("pax/empty", complete(x), ""),
        above("pax/header-of-two-mebibytes", limit(), |tar| {
            tar.pax(&[("comment", &"x".repeat(2 << 20))]).file(&npm_path("x"), npm("x")).end()
        }),
        above("pax/header-that-claims-four-gibibytes", limit(), |tar| {
            tar.entry(Head::new("pax", 0).kind(b'x').binary(124, 12, 1 << 32), b"").end()
        }),
        above("pax/header-of-half-a-mebibyte", complete(x), |tar| {
            tar.pax(&[("comment", &"x".repeat(1 << 19))]).file(&npm_path("x"), npm("x")).end()
        }),
    ]
}

fn long_names() -> Vec<Case> {
    let x = &[A, "x@1"];
    let long = |name: &str| format!("{name}\0");
    vec![
        above("gnu/long-name", complete(x), move |tar| {
            tar.extension(b'L', long(&npm_path("x")).as_bytes()).file("short", npm("x")).end()
        }),
        above("gnu/long-name-twice", complete(x), move |tar| {
            let tar = tar.extension(b'L', b"first\0").extension(b'L', long(&npm_path("x")).as_bytes());
            tar.file("short", npm("x")).end()
        }),
        above("gnu/long-name-without-its-zero", complete(x), |tar| {
            tar.extension(b'L', npm_path("x").as_bytes()).file("short", npm("x")).end()
        }),
        above("gnu/junk-behind-the-zero-of-a-long-name", complete(x), move |tar| {
            tar.extension(b'L', format!("{}junk", long(&npm_path("x"))).as_bytes()).file("short", npm("x")).end()
        }),
        above("gnu/long-link-then-long-name", complete(&[A, "x@1", "x@1"]), move |tar| {
            let head = Head::new("short", 0).kind(b'1').link("short");
            tar.file(&npm_path("x"), npm("x"))
                .extension(b'K', long(&npm_path("x")).as_bytes())
                .extension(b'L', long(&npm_path("y")).as_bytes())
                .entry(head, b"")
                .end()
        }),
        above("gnu/nothing-behind-a-long-name", malformed(), |tar| tar.extension(b'L', b"x\0").end()),
        above("gnu/archive-ends-in-a-long-name", malformed(), |tar| {
            let mut bytes = tar.extension(b'L', &[b'x'; 300]).0;
            bytes.truncate(BLOCK + 100);
            bytes
        }),
        above("gnu/long-name-of-two-mebibytes", limit(), |tar| {
            tar.extension(b'L', &vec![b'x'; 2 << 20]).file("short", "x").end()
        }),
        above("gnu/ten-thousand-long-names-for-one-file", limit(), |tar| {
            (0..10_000).fold(tar, |tar, _| tar.extension(b'L', b"x\0")).file("short", "x").end()
        }),
    ]
}

fn sparse() -> Vec<Case> {
    let unread = || incomplete(&["database-unreadable", "no-components", "os-without-packages"], &[]);
    vec![
        above("sparse/old-gnu-database", unread(), |tar| {
            let head = Head::new(STATUS_PATH, 4).gnu().kind(b'S').at(386, b"00000000000\x0000000000004\0");
            tar.entry(head.at(483, b"00004000000\0"), b"abcd").end()
        }),
        above("sparse/old-gnu-map-in-many-blocks", complete(&[A, "x@1"]), |tar| {
            let head = Head::new("big", 0).gnu().kind(b'S').at(482, &[1]);
            let mut map = [0; BLOCK];
            map[504] = 1;
            let last = [0; BLOCK];
            tar.entry(head, &[map, map, last].concat()).file(&npm_path("x"), npm("x")).end()
        }),
        above("sparse/old-gnu-map-without-end", limit(), |tar| {
            let mut map = [0; BLOCK];
            map[504] = 1;
            tar.entry(Head::new("big", 0).gnu().kind(b'S').at(482, &[1]), &map.repeat(5000)).end()
        }),
        above("sparse/pax-0.0-database", unread(), |tar| {
            let keys = [("GNU.sparse.size", "4"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.offset", "0")];
            tar.pax(&keys).file(STATUS_PATH, "abcd").end()
        }),
        above("sparse/pax-0.1-database", unread(), |tar| {
            tar.pax(&[("GNU.sparse.map", "0,4"), ("GNU.sparse.size", "4"), ("GNU.sparse.name", STATUS_PATH)])
                .file("GNUSparseFile.0/status", "abcd")
                .end()
        }),
        above("sparse/pax-1.0-database", unread(), |tar| {
            let keys = [
                ("GNU.sparse.major", "1"),
                ("GNU.sparse.minor", "0"),
                ("GNU.sparse.name", STATUS_PATH),
                ("GNU.sparse.realsize", "4294967296"),
            ];
            tar.pax(&keys).file("GNUSparseFile.0/status", "1\n0\n4\nabcd").end()
        }),
        above("sparse/name-before-its-placeholder", unread(), |tar| {
            tar.pax(&[("GNU.sparse.name", STATUS_PATH), ("path", "GNUSparseFile.0/status")]).file("x", "abcd").end()
        }),
        above("sparse/file-that-does-not-matter", complete(&[A]), |tar| {
            tar.pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "1099511627776")]).file("big", "1\n").end()
        }),
    ]
}

fn global() -> Vec<Case> {
    let x = &[A, "x@1"];
    let with = |key: &'static str, value: &'static str| {
        move |tar: Tar| tar.extension(b'g', record(key, value).as_bytes()).file(&npm_path("x"), npm("x")).end()
    };
    vec![
        above("global/comment", complete(x), with("comment", "a commit")),
        above("global/time", complete(x), with("mtime", "1")),
        above("global/path", malformed(), with("path", "var/lib/dpkg/status")),
        above("global/size", malformed(), with("size", "0")),
        above("global/link", malformed(), with("linkpath", "/etc")),
        above("global/sparse", malformed(), with("GNU.sparse.name", "x")),
        above("global/broken", malformed(), |tar| tar.extension(b'g', b"nonsense").file("x", "").end()),
        above("global/many", complete(x), |tar| {
            let many = (0..100).fold(tar, |tar, _| tar.extension(b'g', record("comment", "c").as_bytes()));
            many.file(&npm_path("x"), npm("x")).end()
        }),
    ]
}
