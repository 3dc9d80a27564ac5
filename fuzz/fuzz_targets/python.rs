//! Metadata of Python packages.
#![no_main]

use countersign::packages::python;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let parsed = python::parse("usr/lib/python3/dist-packages/a-1.dist-info/METADATA", data);
    for package in &parsed.packages {
        assert!(!package.name.is_empty() && !package.version.is_empty() && !package.name.contains('\0'));
    }
});
