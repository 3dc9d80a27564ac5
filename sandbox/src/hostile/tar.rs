//! Tar structure: headers, sizes, ends, entry types (POSIX ustar, GNU). What container runtimes see decides, and they
//! read with Go's archive/tar.

use super::bytes::{BLOCK, Head, Tar};
use super::{
    A, Case, Expect, STATUS, STATUS_PATH, archive_of, base, case, complete, incomplete, limit, malformed, npm,
    npm_path, of_archives,
};

pub(super) fn cases() -> Vec<Case> {
    let mut all = numbers();
    all.extend(ends());
    all.extend(types());
    all.extend(names());
    all
}

/// The base, and above it the archive that `build` makes.
fn above(name: &'static str, expect: Expect, build: impl Fn(Tar) -> Vec<u8> + Send + Sync + 'static) -> Case {
    case(name, expect, move || of_archives(vec![archive_of(base()), build(Tar::default())]))
}

fn status(name: &str) -> String {
    format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1-1\n")
}

fn numbers() -> Vec<Case> {
    let text = npm("x");
    let size = text.len() as u64;
    let path = npm_path("x");
    let x = &[A, "x@1"];
    let entry = move |change: fn(Head, u64) -> Head| {
        let (text, path) = (text.clone(), path.clone());
        move |tar: Tar| tar.entry(change(Head::new(&path, size), size), text.as_bytes()).end()
    };
    vec![
        above("tar/size-in-base-256", complete(x), entry(|head, size| head.binary(124, 12, size.into()))),
        above(
            "tar/size-with-leading-blanks",
            complete(x),
            entry(|head, size| head.at(124, format!("{size:>11o} ").as_bytes())),
        ),
        above("tar/size-negative", malformed(), entry(|head, _| head.binary(124, 12, -1))),
        above("tar/size-beyond-64-bits", malformed(), entry(|head, _| head.at(124, &[0xbf; 12]))),
        above("tar/size-of-eight-exabytes", malformed(), entry(|head, _| head.binary(124, 12, i64::MAX.into()))),
        above("tar/size-no-number", malformed(), entry(|head, _| head.at(124, b"0000000zzzz\0"))),
        above("tar/size-larger-than-the-archive", malformed(), entry(|head, _| head.at(124, b"00000077777\0"))),
        above("tar/size-hides-the-next-entry", malformed(), |tar| {
            // One byte too many: the next header is no longer at a block.
            tar.entry(Head::new("x", 513), &[0; 512]).file(&npm_path("y"), npm("y")).end()
        }),
        above("tar/checksum-wrong", malformed(), entry(|head, _| head.bad_sum())),
        above("tar/time-negative", complete(x), entry(|head, _| head.binary(136, 12, -1))),
        above("tar/owner-in-base-256", complete(x), entry(|head, _| head.binary(108, 8, 4_000_000))),
    ]
}

fn ends() -> Vec<Case> {
    let one = || Tar::default().file(&npm_path("x"), npm("x"));
    let x = &[A, "x@1"];
    vec![
        above("tar/no-end", complete(x), move |_| one().0),
        above("tar/last-padding-missing", complete(x), |_| {
            let mut tar = Tar::default().file(&npm_path("x"), npm("x")).0;
            tar.truncate(BLOCK + npm("x").len());
            tar
        }),
        above("tar/truncated-in-a-header", malformed(), move |_| {
            let mut tar = one().file("y", "y").0;
            tar.truncate(2 * BLOCK + 100);
            tar
        }),
        above("tar/truncated-in-a-file", malformed(), move |_| {
            let mut tar = one().0;
            tar.truncate(BLOCK + 5);
            tar
        }),
        above("tar/junk-behind-the-end", complete(x), move |_| [one().end(), vec![0xff; 3000]].concat()),
        above("tar/another-archive-behind-the-end", complete(x), |_| {
            let hidden = Tar::default().file(&npm_path("hidden"), npm("hidden")).end();
            [Tar::default().file(&npm_path("x"), npm("x")).end(), hidden].concat()
        }),
        above("tar/lone-zero-block", malformed(), |tar| {
            tar.file("a", "").raw(&[0; BLOCK]).file(&npm_path("hidden"), npm("hidden")).end()
        }),
        above("tar/one-zero-block-at-the-end", complete(x), move |_| one().raw(&[0; BLOCK]).0),
        above("tar/empty", complete(&[A]), |_| Vec::new()),
        above("tar/only-zeros", complete(&[A]), |_| vec![0; 10_240]),
        above("tar/no-archive", malformed(), |_| vec![b'x'; 4096]),
        above("tar/cpio", malformed(), |_| [b"070701".repeat(20), vec![b'0'; 2000]].concat()),
        above("tar/less-than-a-block", malformed(), |_| vec![1; 100]),
    ]
}

fn types() -> Vec<Case> {
    let gone = || incomplete(&["no-components", "os-without-packages"], &[]);
    let as_status = |kind: u8| move |tar: Tar| tar.entry(Head::new(STATUS_PATH, 0).kind(kind), b"").end();
    vec![
        above("tar/database-is-a-character-device", gone(), as_status(b'3')),
        above("tar/database-is-a-block-device", gone(), as_status(b'4')),
        above("tar/database-is-a-pipe", gone(), as_status(b'6')),
        above("tar/database-is-a-folder", gone(), as_status(b'5')),
        above("tar/database-is-a-contiguous-file", complete(&["b@1-1"]), |tar| {
            let text = status("b");
            tar.entry(Head::new(STATUS_PATH, text.len() as u64).kind(b'7'), text.as_bytes()).end()
        }),
        above("tar/database-of-an-old-archive", complete(&["b@1-1"]), |tar| {
            let text = status("b");
            let head = Head::new(STATUS_PATH, text.len() as u64).kind(0).at(257, &[0; 8]);
            tar.entry(head, text.as_bytes()).end()
        }),
        above("tar/folder-of-an-old-archive", complete(&[A]), |tar| {
            tar.entry(Head::new("var/lib/dpkg/", 0).kind(0).at(257, &[0; 8]), b"").end()
        }),
        // Go reads no content behind a header-only entry, whatever its size says: the next block is a header.
        above("tar/folder-with-a-size", complete(&[A, "x@1"]), |tar| {
            tar.entry(Head::new("dir/", 512).kind(b'5'), b"").file(&npm_path("x"), npm("x")).end()
        }),
        above("tar/symbolic-link-with-a-size", complete(&[A, "x@1"]), |tar| {
            tar.entry(Head::new("l", 512).kind(b'2').link("t"), b"").file(&npm_path("x"), npm("x")).end()
        }),
        above("tar/device-with-a-size", complete(&[A, "x@1"]), |tar| {
            tar.entry(Head::new("d", 512).kind(b'3'), b"").file(&npm_path("x"), npm("x")).end()
        }),
        above("tar/unknown-type", complete(&[A, "x@1"]), |tar| {
            tar.entry(Head::new("z", 3).kind(b'Z'), b"zzz").file(&npm_path("x"), npm("x")).end()
        }),
        above("tar/database-of-unknown-type", gone(), |tar| {
            let text = status("b");
            tar.entry(Head::new(STATUS_PATH, text.len() as u64).kind(b'Z'), text.as_bytes()).end()
        }),
        above("tar/multi-volume-part", complete(&[A, "x@1"]), |tar| {
            tar.entry(Head::new("m", 3).kind(b'M').gnu(), b"mmm").file(&npm_path("x"), npm("x")).end()
        }),
        above("tar/volume-label", complete(&[A, "x@1"]), |tar| {
            tar.entry(Head::new("label", 0).kind(b'V').gnu(), b"").file(&npm_path("x"), npm("x")).end()
        }),
    ]
}

fn names() -> Vec<Case> {
    let replaced = &["b@1-1"];
    let named = |name: &'static str| move |tar: Tar| tar.file(name, status("b")).end();
    vec![
        above("tar/absolute-name", complete(replaced), named("/var/lib/dpkg/status")),
        above("tar/name-that-climbs-out", complete(replaced), named("../../../var/lib/dpkg/status")),
        above("tar/name-that-climbs-inside", complete(replaced), named("var/lib/../lib/dpkg/./status")),
        above("tar/name-with-dot-and-slashes", complete(replaced), named(".//var//lib/dpkg/status")),
        above("tar/name-in-two-parts", complete(replaced), |tar| {
            let text = status("b");
            let head = Head::new("status", text.len() as u64).at(345, b"var/lib/dpkg");
            tar.entry(head, text.as_bytes()).end()
        }),
        above("tar/gnu-header-has-no-second-part", complete(&[A]), |tar| {
            // In a GNU header that field holds times: the file is `status` at the root.
            let text = status("b");
            let head = Head::new("status", text.len() as u64).gnu().at(345, b"var/lib/dpkg");
            tar.entry(head, text.as_bytes()).end()
        }),
        above("tar/no-name", complete(&[A]), |tar| tar.file("", "x").end()),
        above("tar/name-is-the-root", complete(&[A]), |tar| tar.file("./", "").file("..", "").end()),
        above("tar/name-of-other-bytes", complete(&[A, "x@1"]), |tar| {
            tar.entry(Head::new("", 0).at(0, b"\xff\xfe/x"), b"").file(&npm_path("x"), npm("x")).end()
        }),
        above("tar/two-entries-of-one-name", complete(&["c@1-1"]), |tar| {
            tar.file(STATUS_PATH, status("b")).file(STATUS_PATH, status("c")).end()
        }),
        above("tar/two-spellings-of-one-name", complete(&["c@1-1"]), |tar| {
            tar.file(STATUS_PATH, status("b")).file("./var/lib/dpkg//status", status("c")).end()
        }),
        above("tar/file-then-folder-of-one-name", incomplete(&["no-components", "os-without-packages"], &[]), |tar| {
            tar.file(STATUS_PATH, status("b")).entry(Head::new("var/lib/dpkg/status/", 0).kind(b'5'), b"").end()
        }),
        above("tar/file-where-a-folder-was", incomplete(&["no-components", "os-without-packages"], &[]), |tar| {
            tar.file("var/lib/dpkg", STATUS).end()
        }),
        above("tar/a-thousand-folders-deep", complete(&[A]), |tar| {
            tar.extension(b'L', format!("{}x\0", "d/".repeat(1000)).as_bytes()).file("short", "x").end()
        }),
        above("tar/name-longer-than-any-path", limit(), |tar| {
            tar.extension(b'L', &[b"d/".repeat(3000), b"x\0".to_vec()].concat()).file("short", "x").end()
        }),
        case("tar/a-hundred-thousand-empty-files", complete(&[A]), || {
            let many = (0..100_000).fold(Tar::default(), |tar, n| tar.file(&format!("f/{n}"), ""));
            of_archives(vec![archive_of(base()), many.end()])
        }),
    ]
}
