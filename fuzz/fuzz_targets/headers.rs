//! Challenges, links and waiting times of registries.
#![no_main]

use countersign::registry::http::fuzzing::headers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    headers(text);
});
