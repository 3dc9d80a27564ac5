//! Gzip layers (RFC 1952): members, trailers, header fields, bombs.

use super::bytes::{Head, as_gzip, gzip, gzip_of_zeros, stored, tightly};
use super::{A, Case, Expect, STATUS_PATH, archive_of, base, case, complete, layer, limit, malformed, of_layers};
use crate::image::{Image, Layer, Packing};

const MIB: u64 = 1 << 20;

pub(super) fn cases() -> Vec<Case> {
    let mut all = members();
    all.extend(trailers());
    all.extend(headers());
    all.extend(bombs());
    all
}

/// The base, stored as these bytes.
fn of(name: &'static str, expect: Expect, store: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> Case {
    case(name, expect, move || {
        let archive = archive_of(base());
        of_layers(vec![as_gzip(store(&archive), &archive)])
    })
}

fn members() -> Vec<Case> {
    let split = |archive: &[u8], size: usize| -> Vec<u8> { archive.chunks(size).flat_map(gzip).collect() };
    vec![
        of("gzip/two-members", complete(&[A]), move |archive| split(archive, 700)),
        of("gzip/a-member-for-every-seven-bytes", complete(&[A]), move |archive| split(archive, 7)),
        of("gzip/empty-member-first", complete(&[A]), |archive| [gzip(b""), gzip(archive)].concat()),
        of("gzip/empty-member-last", complete(&[A]), |archive| [gzip(archive), gzip(b"")].concat()),
        // A reader that stops after the first member sees a Debian without packages.
        of("gzip/database-in-the-second-member", complete(&[A]), |archive| {
            let cut = 512 * 3;
            [gzip(&archive[..cut]), gzip(&archive[cut..])].concat()
        }),
        of("gzip/a-gzip-in-a-gzip", malformed(), |archive| gzip(&gzip(archive))),
    ]
}

fn trailers() -> Vec<Case> {
    let cut = |keep: fn(usize) -> usize| {
        move |archive: &[u8]| {
            let mut bytes = gzip(archive);
            bytes.truncate(keep(bytes.len()));
            bytes
        }
    };
    let flip = |from_end: usize| {
        move |archive: &[u8]| {
            let mut bytes = gzip(archive);
            let place = bytes.len() - from_end;
            bytes[place] ^= 1;
            bytes
        }
    };
    vec![
        of("gzip/junk-behind", malformed(), |archive| [gzip(archive), b"junk".to_vec()].concat()),
        of("gzip/zeros-behind", malformed(), |archive| [gzip(archive), vec![0; 1024]].concat()),
        of("gzip/tar-behind", malformed(), |archive| [gzip(archive), archive.to_vec()].concat()),
        of("gzip/truncated-header", malformed(), cut(|_| 5)),
        of("gzip/truncated-data", malformed(), cut(|n| n / 2)),
        of("gzip/truncated-trailer", malformed(), cut(|n| n - 4)),
        of("gzip/no-trailer", malformed(), cut(|n| n - 8)),
        of("gzip/wrong-crc", malformed(), flip(8)),
        of("gzip/wrong-length", malformed(), flip(1)),
        of("gzip/flipped-bit", malformed(), |archive| {
            let mut bytes = gzip(archive);
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            bytes
        }),
        of("gzip/empty-file", malformed(), |_| Vec::new()),
        of("gzip/only-the-magic", malformed(), |_| vec![0x1f, 0x8b]),
    ]
}

/// Header of a member with these flags and this, then the rest of a plain member.
fn with_header(flags: u8, fields: &[u8], archive: &[u8]) -> Vec<u8> {
    let plain = gzip(archive);
    [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255], fields, &plain[10..]].concat()
}

fn headers() -> Vec<Case> {
    vec![
        of("gzip/name-and-comment", complete(&[A]), |archive| with_header(0x18, b"name\0comment\0", archive)),
        // Go, and so every runtime, stops at 512 bytes.
        of("gzip/name-of-a-mebibyte", malformed(), |archive| {
            with_header(0x08, &[vec![b'x'; 1 << 20], vec![0]].concat(), archive)
        }),
        of("gzip/name-without-an-end", malformed(), |_| {
            [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 255][..], &[b'x'; 100_000]].concat()
        }),
        of("gzip/extra-field", complete(&[A]), |archive| {
            with_header(0x04, &[vec![0xff, 0xff], vec![b'e'; 0xffff]].concat(), archive)
        }),
        of("gzip/unknown-method", malformed(), |archive| {
            let mut bytes = gzip(archive);
            bytes[2] = 7;
            bytes
        }),
        of("gzip/broken-stored-block", malformed(), |_| {
            // A stored block whose length and its complement disagree.
            [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..], &[1, 5, 0, 0, 0], b"hello", &[0; 8]].concat()
        }),
        case("gzip/declared-as-plain", malformed(), || declared(gzip, "")),
        case("gzip/plain-declared-as-gzip", malformed(), || declared(<[u8]>::to_vec, "+gzip")),
        case("gzip/xz-declared-as-gzip", malformed(), || declared(|_| b"\xfd7zXZ\0rest".to_vec(), "+gzip")),
        case("gzip/bzip2-declared-as-plain", malformed(), || declared(|_| b"BZh91AY&SY".to_vec(), "")),
    ]
}

fn declared(store: impl Fn(&[u8]) -> Vec<u8>, suffix: &str) -> Image {
    let archive = archive_of(base());
    of_layers(vec![stored(store(&archive), crate::registry::sha256(&archive), suffix)])
}

/// The base below a layer with one file of zeros.
fn zeros(path: &str, size: u64) -> Image {
    let head = super::bytes::Tar::default().entry(Head::new(path, 0).binary(124, 12, size.into()), b"").0;
    let below = Layer::of_archive(&archive_of(base()), Packing::Gzip);
    of_layers(below.into_iter().chain([gzip_of_zeros(&head, size + 1024)]).collect())
}

fn bombs() -> Vec<Case> {
    vec![
        case("gzip/sixty-mebibytes-of-zeros", complete(&[A]), || zeros("data", 60 * MIB)),
        case("gzip/bomb", limit(), || zeros("data", 300 * MIB)),
        case("gzip/bomb-in-the-database", limit(), || zeros(STATUS_PATH, 300 * MIB)),
        case("gzip/bomb-in-an-executable", limit(), || zeros("usr/bin/x", 300 * MIB)),
        case("gzip/bomb-of-many-members", limit(), || {
            let zeros = vec![0; 1 << 20];
            let archive = [archive_of(base()), vec![0; 128 << 20]].concat();
            let member = tightly(&zeros);
            let stored = [gzip(&archive_of(base())), member.repeat(128)].concat();
            of_layers(vec![as_gzip(stored, &archive)])
        }),
        case("gzip/bomb-behind-the-end-of-the-archive", limit(), || {
            let archive = archive_of(layer().file("x", ""));
            of_layers(vec![gzip_of_zeros(&archive, 300 * MIB)])
        }),
        case("gzip/four-gibibytes-of-database", limit(), || zeros(STATUS_PATH, 4096 * MIB)).large(),
        case("gzip/four-gibibytes-of-jar", limit(), || zeros("app/app.jar", 4096 * MIB)).large(),
    ]
}
