//! Installed specifications of Ruby gems.
#![no_main]

use countersign::packages::gem;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let parsed = gem::parse("var/lib/gems/specifications/a-1.gemspec", data);
    for package in &parsed.packages {
        assert!(!package.name.is_empty() && !package.version.is_empty() && !package.name.contains('\0'));
    }
});
