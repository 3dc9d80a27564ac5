//! Composer's record of PHP packages.
#![no_main]

use countersign::packages::composer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let parsed = composer::parse("app/vendor/composer/installed.json", data);
    for package in &parsed.packages {
        assert!(!package.name.is_empty() && !package.version.is_empty() && !package.name.contains('\0'));
    }
});
