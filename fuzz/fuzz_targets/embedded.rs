//! SBOMs inside images.
#![no_main]

use countersign::packages::embedded;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let parsed = embedded::parse("opt/bitnami/a/.spdx-a.spdx", data);
    for package in &parsed.packages {
        assert!(!package.name.is_empty() && !package.version.is_empty() && !package.name.contains('\0'));
    }
});
