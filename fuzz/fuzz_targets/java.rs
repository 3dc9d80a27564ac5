//! Java archives, and so zip archives, inside one another.
#![no_main]

use countersign::packages::java;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = java::read("opt/app-1.0.jar", &mut &*data, data.len() as u64);
});
