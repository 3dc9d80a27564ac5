//! Zipped Python packages, and with them the zip reader.
#![no_main]

use countersign::packages::egg;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let parsed = egg::parse("usr/lib/python3/dist-packages/a-1.egg", data);
    for package in &parsed.packages {
        assert!(!package.name.is_empty() && !package.version.is_empty() && !package.name.contains('\0'));
    }
});
