//! Records of conda packages.
#![no_main]

use countersign::packages::conda;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let parsed = conda::parse("opt/conda/conda-meta/a-1-0.json", data);
    for package in &parsed.packages {
        assert!(!package.name.is_empty() && !package.version.is_empty() && !package.name.contains('\0'));
    }
});
