//! Other databases: RPM in its three formats, and kinds that are seen but not read.

use super::{Case, DEBIAN, Expect, STATUS, STATUS_PATH, base, case, image, incomplete, layer};

const ROCKY: &str = "ID=rocky\nVERSION_ID=9.4\n";

/// An RPM system with these bytes as its database.
fn rpm(name: &'static str, file: &'static str, bytes: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Case {
    let expect = incomplete(&["database-unreadable", "no-components", "os-without-packages"], &[]);
    case(name, expect, move || {
        let path = format!("var/lib/rpm/{file}");
        image(vec![layer().file("etc/os-release", ROCKY).file(&path, bytes())])
    })
}

/// The base, and beside it a file that belongs to a package manager of another kind.
fn unsupported(name: &'static str, path: &'static str) -> Case {
    let expect: Expect = incomplete(&["database-unsupported"], &[super::A]);
    case(name, expect, move || image(vec![base().file(path, "x")]))
}

fn noise(size: u32) -> Vec<u8> {
    (0..size).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// The first 100 bytes of a SQLite file with pages of 4 KiB and this many of them.
fn sqlite_head(pages: u32) -> Vec<u8> {
    let mut head = b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20".to_vec();
    head.resize(100, 0);
    head[28..32].copy_from_slice(&pages.to_be_bytes());
    head
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        rpm("rpm/sqlite-noise", "rpmdb.sqlite", || noise(100_000)),
        rpm("rpm/sqlite-only-the-head", "rpmdb.sqlite", || sqlite_head(1)),
        rpm("rpm/sqlite-pages-of-zeros", "rpmdb.sqlite", || [sqlite_head(4), vec![0; 16_284]].concat()),
        rpm("rpm/sqlite-claims-four-billion-pages", "rpmdb.sqlite", || [sqlite_head(u32::MAX), vec![0; 8092]].concat()),
        rpm("rpm/sqlite-page-that-points-to-itself", "rpmdb.sqlite", || {
            // An interior page of the schema whose right-most child is page 1.
            let mut file = [sqlite_head(2), vec![0; 8092]].concat();
            file[100] = 5;
            file[111] = 1;
            file
        }),
        rpm("rpm/ndb-noise", "Packages.db", || noise(100_000)),
        rpm("rpm/ndb-only-the-head", "Packages.db", || b"RpmP\0\0\0\0\x01\0\0\0\x01\0\0\0".to_vec()),
        rpm("rpm/ndb-claims-four-billion-slots", "Packages.db", || {
            [&b"RpmP\0\0\0\0\x01\0\0\0\xff\xff\xff\xff"[..], &vec![0; 8192]].concat()
        }),
        rpm("rpm/bdb-noise", "Packages", || noise(100_000)),
        rpm("rpm/bdb-zeros", "Packages", || vec![0; 8192]),
        rpm("rpm/bdb-only-the-head", "Packages", || {
            let mut head = vec![0; 512];
            head[12..16].copy_from_slice(&0x0006_1561_u32.to_le_bytes());
            head
        }),
        unsupported("unsupported/opkg", "usr/lib/opkg/status"),
        unsupported("unsupported/pacman", "var/lib/pacman/local/bash-5/desc"),
        unsupported("unsupported/portage", "var/db/pkg/app-shells/bash-5/CONTENTS"),
        case("unsupported/dpkg-and-a-broken-rpm", incomplete(&["database-unreadable"], &[super::A]), || {
            let both = layer().file("etc/os-release", DEBIAN).file(STATUS_PATH, STATUS);
            image(vec![both.file("var/lib/rpm/rpmdb.sqlite", noise(5000))])
        }),
    ]
}
