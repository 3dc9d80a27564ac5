//! RPM databases: SQLite, ndb and Berkeley DB, told apart by their first bytes, and the manifest of distroless images.
#![no_main]

use countersign::packages::rpm;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = rpm::parse("var/lib/rpm/rpmdb.sqlite", data);
    let _ = rpm::manifest::parse("var/lib/rpmmanifest/container-manifest-2", data);
});
