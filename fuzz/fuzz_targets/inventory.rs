//! Package databases of images.
#![no_main]

use countersign::packages::{apk, dpkg, npm, os_release};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = dpkg::parse("var/lib/dpkg/status", data);
    let _ = apk::parse("lib/apk/db/installed", data);
    let _ = npm::parse("app/node_modules/a/package.json", data);
    let _ = os_release::parse(data);
});
