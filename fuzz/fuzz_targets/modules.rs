//! What programs list: Go's modules with the linker's flags, Rust's crates.
#![no_main]

use countersign::packages::{go_binary, rust_binary};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = go_binary::parse("p", "go1.20", data);
    let _ = rust_binary::parse("p", data);
});
