//! .NET dependencies.
#![no_main]

use countersign::packages::dotnet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let parsed = dotnet::parse("app/App.deps.json", data);
    for package in &parsed.packages {
        assert!(!package.name.is_empty() && !package.version.is_empty() && !package.name.contains('\0'));
    }
});
